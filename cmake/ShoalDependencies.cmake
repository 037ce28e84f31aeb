# What shoal is built on. The package files for CMake and pkg-config are made from these lists.
find_package(absl REQUIRED)
# The package's own look for libatomic works in C only; this answers it. g++ brings the library.
set(FOUND_LIBATOMIC TRUE)
find_package(CapnProto REQUIRED)
find_package(Threads REQUIRED)

# Named in public headers.
set(SHOAL_ABSL_PUBLIC absl::status absl::statusor absl::strings absl::time)
# Used inside.
set(SHOAL_ABSL_PRIVATE absl::base absl::cleanup absl::flat_hash_map absl::flat_hash_set
    absl::inlined_vector absl::synchronization)
