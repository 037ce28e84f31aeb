// No public method of the kinds in shared memory escapes the kill sweeps.
#include "tests/crash/public/registry.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/crash/public/operations.h"

namespace shoal::test {
namespace {

std::string without_comments(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  for (std::string line; std::getline(file, line);) {
    text << line.substr(0, line.find("//")) << '\n';
  }
  return text.str();
}

// The names of the functions that are declared in the public parts of a class's body, which begins
// at `at`: what stands before an opening parenthesis at the outermost level of it.
std::set<std::string> public_methods(const std::string& text, std::size_t at,
                                     const std::string& name) {
  std::set<std::string> methods;
  int braces = 0;
  int parentheses = 0;
  bool is_public = false;
  bool taken = false;  // the name of this declaration
  std::string word;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    const bool outermost = braces == 1 && parentheses == 0;
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '~') {
      word += c;
      continue;
    }
    if (c == ':' && outermost && (word == "public" || word == "private" || word == "protected")) {
      is_public = word == "public";
    }
    if (c == '(') {
      const bool is_name = !word.empty() && word != name && word != "requires" && word[0] != '~';
      if (outermost && is_public && !taken && is_name) methods.insert(word);
      if (outermost && word != "requires") taken = true;
      ++parentheses;
    }
    if (c == ')') --parentheses;
    if (c == '{') ++braces;
    if (c == '}' && --braces == 0) return methods;
    if (braces == 1 && parentheses == 0 && (c == ';' || c == '}' || c == ':')) taken = false;
    if (c != ' ' && c != '\n') word.clear();
    if (c == ' ' || c == '\n') {
      // A word that ends here only names something if a parenthesis follows at once.
      const std::size_t next = text.find_first_not_of(" \n", at);
      if (next == std::string::npos || text[next] != '(') word.clear();
    }
  }
  return methods;
}

std::map<std::string, std::set<std::string>> declared_methods() {
  std::map<std::string, std::set<std::string>> all;
  static const std::regex kClass(R"(\nclass (?:SHOAL_EXPORT )?(\w+)\b(?!::)[^;{]*\{)");
  // Of no object's memory: what describes, asks or administers, or is a value of the caller's own;
  // what Client changes is in the manager, but for transactions, which are in their own header.
  static const std::set<std::string> kOthers = {"admin.h",         "arena.h",
                                                "arena_object.h",  "boost.h",
                                                "client.h",        "export.h",
                                                "fingerprint.h",   "inspect.h",
                                                "key.h",           "manager.h",
                                                "object.h",        "reference.h",
                                                "shared_memory.h", "shared_memory_manager.h",
                                                "shoal.h",         "value.h",
                                                "value_view.h"};
  for (const auto& header : std::filesystem::directory_iterator(std::string(SHOAL_TEST_SOURCE_DIR) +
                                                                "/../../../include/shoal")) {
    if (kOthers.contains(header.path().filename().string())) continue;
    const std::string text = without_comments(header.path().string());
    for (std::sregex_iterator match(text.begin(), text.end(), kClass), end; match != end; ++match) {
      const std::string name = (*match)[1];
      const auto begin = static_cast<std::size_t>(match->position() + match->length() - 1);
      all[name] = public_methods(text, begin, name);
    }
  }
  return all;
}

TEST(Registry, HasEveryPublicMethodAndNoOther) {
  const auto declared = declared_methods();
  EXPECT_EQ(declared.size(), registry().size());
  for (const auto& [name, methods] : declared) {
    ASSERT_TRUE(registry().contains(name)) << "class " << name << " is not in the registry";
    const Methods& known = registry().at(name);
    for (const std::string& method : methods) {
      EXPECT_TRUE(known.changing.contains(method) || known.looking.contains(method) ||
                  known.of_the_manager.contains(method))
          << name << "::" << method << " is public and not in tests/crash/public/registry.h";
    }
    for (const std::set<std::string>* some :
         {&known.changing, &known.looking, &known.of_the_manager}) {
      for (const std::string& method : *some) {
        EXPECT_TRUE(methods.contains(method)) << name << "::" << method << " is not in the header";
      }
    }
  }
}

TEST(Registry, HasAnOperationForEveryMethodThatChangesSomething) {
  std::set<std::string> swept;
  for (const PublicOperation& operation : public_operations()) {
    EXPECT_FALSE(operation.methods.empty()) << operation.name;
    swept.insert(operation.methods.begin(), operation.methods.end());
  }
  std::set<std::string> changing;
  for (const auto& [name, methods] : registry()) {
    for (const std::string& method : methods.changing) {
      changing.insert(std::string(name).append("::").append(method));
    }
  }
  for (const std::string& method : changing) {
    EXPECT_TRUE(swept.contains(method)) << method << " is swept by no operation";
  }
  for (const std::string& method : swept) {
    EXPECT_TRUE(changing.contains(method)) << method << " is swept, but not registered";
  }
}

// The reader of headers is worth something only if it finds what is there.
TEST(Registry, ReadsHeadersRightly) {
  const std::string text =
      "class X : public Y {\n public:\n  X() = default;\n  void lock() const;\n"
      "  template <class A>\n  bool for_a(const A& a) const {\n    return other(a);\n  }\n"
      "  absl::StatusOr<int> get(\n      int at = f()) const requires C<T>;\n private:\n"
      "  void hidden();\n};\n";
  EXPECT_EQ(public_methods(text, text.find('{'), "X"),
            (std::set<std::string>{"lock", "for_a", "get"}));
}

}  // namespace
}  // namespace shoal::test
