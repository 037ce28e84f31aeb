// Other people's programs, run privately for as long as they are measured. Knows nothing of shoal.
#pragma once

#include <string>
#include <vector>

namespace reference {

// Whether a program of this name is installed.
bool have_program(const std::string& name);

// Becomes the program, in a process that was forked for it. Its standard input is `input`; what it
// prints goes to stderr, since stdout is for results.
[[noreturn]] void become(int input, const std::vector<std::string>& arguments);

// A stream to a Unix socket which somebody will listen at shortly.
int connect_to(const std::string& path);

}  // namespace reference
