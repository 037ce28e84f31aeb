// One Python process that runs a script of this folder and is driven line by line, and the words
// in which values go over that line (value_words.py):
//   none, true, false, i:INT, d:FLOAT.HEX, s:UTF8-IN-HEX, b:BYTES-IN-HEX, or (WORD,WORD,...)
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shoal/value.h"

namespace shoal::test {

inline std::string hex(std::string_view bytes) {
  std::string out;
  char digits[3];
  for (const char c : bytes) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

inline std::string unhex(std::string_view digits) {
  std::string out;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    unsigned byte = 0;
    std::from_chars(digits.data() + at, digits.data() + at + 2, byte, 16);
    out += static_cast<char>(byte);
  }
  return out;
}

inline std::string to_word(const Value& value) {
  if (const bool* truth = value.as_bool()) return *truth ? "true" : "false";
  if (value.is_int() || value.is_big_int()) return "i:" + value.to_string();
  if (const double* number = value.as_double()) {
    char text[64];
    std::snprintf(text, sizeof text, "d:%a", *number);
    return text;
  }
  if (const std::string* text = value.as_string()) return "s:" + hex(*text);
  if (const Bytes* bytes = value.as_bytes()) return "b:" + hex(bytes->view());
  if (!value.is_tuple()) return "none";
  std::string out = "(";
  for (const Value& item : value.items()) out += to_word(item) + ',';
  return out + ')';
}

// Takes a word off the front.
inline Value take_word(std::string_view& words) {
  if (words.starts_with('(')) {
    std::vector<Value> parts;
    words.remove_prefix(1);
    while (!words.empty() && !words.starts_with(')')) {
      parts.push_back(take_word(words));
      if (words.starts_with(',')) words.remove_prefix(1);
    }
    if (!words.empty()) words.remove_prefix(1);
    return Value::tuple(std::move(parts));
  }
  const std::string word(words.substr(0, words.find_first_of(",)")));
  words.remove_prefix(word.size());
  if (word == "none" || word.size() < 2) return nullptr;
  if (word == "true" || word == "false") return word == "true";
  const std::string rest = word.substr(2);
  if (word[0] == 'i') return Value::parse_integer(rest).value_or(nullptr);
  if (word[0] == 'd') return std::strtod(rest.c_str(), nullptr);
  if (word[0] == 's') return unhex(rest);
  return Bytes(unhex(rest));
}

inline Value from_word(std::string_view word) { return take_word(word); }

class PythonProcess {
 public:
  explicit PythonProcess(const char* script) {
    int to[2];
    int from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      execl("/usr/bin/python3", "python3", "-B", script, static_cast<char*>(nullptr));
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    in_ = fdopen(to[1], "w");
    out_ = fdopen(from[0], "r");
  }
  PythonProcess(const PythonProcess&) = delete;
  PythonProcess& operator=(const PythonProcess&) = delete;
  ~PythonProcess() {
    fclose(in_);
    fclose(out_);
    waitpid(pid_, nullptr, 0);
  }

  // The line that it answers; "gone" if it is.
  std::string ask(const std::string& line) {
    std::fputs((line + "\n").c_str(), in_);
    std::fflush(in_);
    char* answer = nullptr;
    std::size_t room = 0;
    const ssize_t size = getline(&answer, &room, out_);
    std::string text = size > 0 ? std::string(answer, static_cast<std::size_t>(size) - 1) : "gone";
    std::free(answer);
    return text;
  }

 private:
  pid_t pid_ = -1;
  FILE* in_ = nullptr;
  FILE* out_ = nullptr;
};

}  // namespace shoal::test
