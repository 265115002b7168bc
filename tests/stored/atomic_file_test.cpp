#include "models/stored/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "models/stored/sha256.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch {
namespace {

std::size_t entries_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(AtomicFile, TheNewContentAppearsWholeOnCommit) {
  const TemporaryFolder folder;
  const std::string path = folder.write("out", "old");
  chmod(path.c_str(), 0640);
  {
    AtomicFile file(path, "the plan");
    file.write("new ");
    file.write("content");
    EXPECT_EQ(content_of(path), "old");
    file.commit();
  }
  EXPECT_EQ(content_of(path), "new content");
  EXPECT_EQ(entries_in(folder.path()), 1U);
  struct stat info = {};
  stat(path.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
}

TEST(AtomicFile, WithoutCommitNothingIsLeftBehind) {
  const TemporaryFolder folder;
  const std::string path = folder.write("out", "old");
  { AtomicFile(path, "the plan").write("new"); }
  EXPECT_EQ(content_of(path), "old");
  EXPECT_EQ(entries_in(folder.path()), 1U);
}

TEST(AtomicFile, WhatAKilledWriterLeftIsTakenOver) {
  const TemporaryFolder folder;
  const std::string path = folder.write("out", "old");
  if (const pid_t child = fork(); child == 0) {
    AtomicFile file(path, "the plan");
    file.write("a long text of which a part must not stay");
    raise(SIGKILL);
  } else {
    waitpid(child, nullptr, 0);
  }
  EXPECT_EQ(entries_in(folder.path()), 2U);
  write_file_atomically(path, "new", "the plan");
  EXPECT_EQ(content_of(path), "new");
  EXPECT_EQ(entries_in(folder.path()), 1U);
}

TEST(AtomicFile, TwoWritersOfOneFileDoNotMeet) {
  const TemporaryFolder folder;
  const std::string path = folder.path("out");
  AtomicFile first(path, "the plan");
  first.write("first");
  AtomicFile second(path, "the plan");
  second.write("second");
  first.commit();
  EXPECT_EQ(content_of(path), "first");
  second.commit();
  EXPECT_EQ(content_of(path), "second");
  EXPECT_EQ(entries_in(folder.path()), 1U);
}

TEST(AtomicFile, ALinkIsKeptAndItsTargetReplaced) {
  const TemporaryFolder folder;
  folder.write("target", "old");
  std::filesystem::create_symlink("target", folder.path("link"));
  write_file_atomically(folder.path("link"), "new", "the plan");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
  EXPECT_EQ(content_of(folder.path("target")), "new");
}

TEST(AtomicFile, AFileThatGrowsTooLargeLeavesTheOldOne) {
  const TemporaryFolder folder;
  const std::string path = folder.write("out", "old");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string error =
      error_of([&] { write_file_atomically(path, std::string(10000, 'x'), "the checkpoint"); },
               folder.path().string());
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(error,
            "7: the checkpoint cannot be saved\n"
            "  at: FOLDER/out\n"
            "  why: File too large\n"
            "  try: the old file is intact: free space or choose another place, then repeat");
  EXPECT_EQ(content_of(path), "old");
  EXPECT_EQ(entries_in(folder.path()), 1U);
}

TEST(AtomicFile, AFullDiskSaysWhatIsNeeded) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const std::string error =
      error_of([] { write_file_atomically("/dev/full", "12345", "the plan"); }, "\n\n");
  EXPECT_TRUE(
      error.starts_with("7: the plan cannot be saved\n"
                        "  at: /dev/full\n"
                        "  why: No space left on device: needs 5 bytes, "))
      << error;
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(AtomicFile, APlaceThatDoesNotExistCannotBeCreated) {
  const TemporaryFolder folder;
  EXPECT_EQ(
      error_of([&] { AtomicFile(folder.path("no/out"), "the plan"); }, folder.path().string()),
      "6: the plan cannot be created\n"
      "  at: FOLDER/no/out\n"
      "  why: No such file or directory\n"
      "  try: choose another place");
  EXPECT_EQ(
      error_of([&] { AtomicFile(folder.path().string(), "the plan"); }, folder.path().string()),
      "6: the plan cannot be created\n"
      "  at: FOLDER\n"
      "  why: Is a directory\n"
      "  try: choose another place");
}

// Examples of FIPS 180-4 (NIST's SHA256.pdf).
TEST(Sha256, KnownDigests) {
  const TemporaryFolder folder;
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of_file(folder.write("m", std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace mpsearch
