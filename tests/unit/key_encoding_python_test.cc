// Keys against the system's Python: two keys are one entry of a Python dict exactly if their
// encodings are the same; and the vectors of docs/format.md say what Python's keys become.
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/key_encoding.h"
#include "tests/unit/python_process.h"
#include "tests/unit/random_value.h"

namespace shoal::internal {
namespace {

using Key = std::pair<int, std::string>;

Key encoded(const Value& key) {
  std::string storage;
  const auto encoded = encode_key(key, storage);
  EXPECT_TRUE(encoded.ok()) << encoded.status() << key;
  return encoded.ok() ? Key(encoded->kind, encoded->bytes) : Key();
}

class KeyEncodingPython : public ::testing::Test {
 protected:
  // The number of a key in Python and its encoding must name each other.
  void agree(const Value& key) {
    const std::string number = python_.ask("key " + test::to_word(key));
    const Key bytes = encoded(key);
    ASSERT_EQ(by_number_.try_emplace(number, bytes).first->second, bytes) << key;
    ASSERT_EQ(by_bytes_.try_emplace(bytes, number).first->second, number) << key;
  }

  test::PythonProcess python_{SHOAL_TEST_SOURCE_DIR "/key_encoding_python.py"};

 private:
  std::map<std::string, Key> by_number_;
  std::map<Key, std::string> by_bytes_;
};

// Every number in every kind that may hold it, where doubles and integers begin to differ.
TEST_F(KeyEncodingPython, NumbersAreTheKeysThatPythonTakesThemFor) {
  agree(nullptr);
  agree(false);
  agree(true);
  for (const int exponent : {0, 1, 31, 32, 52, 53, 54, 62, 63, 64, 65, 70, 127, 128, 1023}) {
    const double power = std::ldexp(1.0, exponent);
    const Value whole =
        Value::integer(Bytes(std::string(static_cast<std::size_t>(exponent) / 8, '\0') +
                             static_cast<char>(1 << exponent % 8) + std::string(1, '\0')));
    for (const double sign : {1.0, -1.0}) {
      agree(sign * power);
      agree(sign * std::nextafter(power, 0));
      agree(sign * std::nextafter(power, 1e308));
      agree(sign * (power + 0.5));
    }
    agree(whole);
    for (const int off : {-1, 1}) {
      const std::string expression = "word 2**" + std::to_string(exponent);
      agree(test::from_word(python_.ask(expression + (off < 0 ? "-1" : "+1"))));
      agree(test::from_word(
          python_.ask("word -(2**" + std::to_string(exponent) + ")" + (off < 0 ? "-1" : "+1"))));
    }
  }
}

TEST_F(KeyEncodingPython, RandomKeysAreTheKeysThatPythonTakesThemFor) {
  test::RandomValues random(5);
  for (int round = 0; round < 10'000; ++round) {
    const Value key = random.key();
    // Python has no opaque values, and their words are none.
    if (key.to_string().find("<opaque") == std::string::npos) agree(key);
    if (HasFatalFailure()) return;
  }
}

TEST_F(KeyEncodingPython, IntegersAreWrittenAsPythonWritesThem) {
  test::RandomValues random(6);
  for (int round = 0; round < 2'000; ++round) {
    const Value key = random.big_int();
    ASSERT_EQ(test::unhex(python_.ask("repr " + test::to_word(key))), key.to_string());
  }
}

std::string between_ticks(const std::string& cell) {
  const std::size_t first = cell.find('`');
  const std::size_t last = cell.rfind('`');
  return first == last ? std::string() : cell.substr(first + 1, last - first - 1);
}

// Rows of: | `key in Python` | kind | `bytes in hex` |
TEST_F(KeyEncodingPython, TheVectorsOfTheDocumentHold) {
  std::ifstream document(SHOAL_TEST_SOURCE_DIR "/../../docs/format.md");
  std::string line;
  while (std::getline(document, line) && line != "### Vectors of keys") {
  }
  int rows = 0;
  while (std::getline(document, line) && !line.starts_with("#")) {
    const std::size_t kind_at = line.find(" | ");
    const std::size_t bytes_at = line.rfind(" | ");
    if (!line.starts_with("| `") || bytes_at <= kind_at) continue;
    const std::string literal = between_ticks(line.substr(0, kind_at));
    const Value key = test::from_word(python_.ask("word " + literal));
    EXPECT_EQ(encoded(key), Key(std::stoi(line.substr(kind_at + 3)),
                                test::unhex(between_ticks(line.substr(bytes_at)))))
        << literal;
    ++rows;
  }
  EXPECT_GE(rows, 20);
}

}  // namespace
}  // namespace shoal::internal
