// Marks what libshoal exports: everything else in it is hidden. Includes nothing.
#pragma once

#define SHOAL_EXPORT __attribute__((visibility("default")))
