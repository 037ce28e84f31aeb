// Test builds of this room: the same sources compiled once more, with seeded faults, or with every
// atomic operation under a scheduler. An inline namespace keeps them apart from the real ones in
// one program. In ordinary builds all of it compiles to nothing.
#pragma once

#if defined(SHOAL_SCHEDULED)
#define SHOAL_VARIANT_BEGIN inline namespace scheduled {
#define SHOAL_VARIANT_END }
#elif defined(SHOAL_SEEDED_FAULTS)
#define SHOAL_VARIANT_BEGIN inline namespace with_faults {
#define SHOAL_VARIANT_END }
#else
#define SHOAL_VARIANT_BEGIN
#define SHOAL_VARIANT_END
#endif
