// A folder in memory for what peers need: sockets, databases. Knows nothing of shoal.
#pragma once

#include <sys/types.h>

#include <string>

namespace reference {

// Gone with this object, or with this process, however that ends.
class ScratchFolder {
 public:
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  // A process that removes the folder when it is told to or when nobody is left who could.
  pid_t janitor_ = -1;
  int order_ = -1;
};

}  // namespace reference
