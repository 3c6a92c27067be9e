// Stands in for libFuzzer in ordinary builds: every file of the corpus once, then a fixed number of
// mutations of them. The generator is seeded with a constant, so that a failure repeats.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr int kMutations = 2000;
constexpr std::size_t kGrowthMaxBytes = 64;

std::vector<Input> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::ranges::sort(paths);  // the folder's own order differs between file systems
  std::vector<Input> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

Input mutated(Input input, ipop::Rng& rng) {
  for (auto steps = 1 + rng.below(4); steps > 0; --steps) {
    const auto at = [&] { return static_cast<std::ptrdiff_t>(rng.below(input.size())); };
    const auto byte = static_cast<std::uint8_t>(rng.below(256));
    switch (input.empty() ? 3 : rng.below(6)) {
      case 0:
        input[static_cast<std::size_t>(at())] = byte;
        break;
      case 1:
        input[static_cast<std::size_t>(at())] ^= static_cast<std::uint8_t>(1U << (byte % 8U));
        break;
      case 2:
        input.resize(static_cast<std::size_t>(at()));
        break;
      case 3:
        input.resize(input.size() + rng.below(kGrowthMaxBytes), byte);
        break;
      case 4:
        input.erase(input.begin() + at());
        break;
      default:
        input.insert(input.begin() + at(), byte);
        break;
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  auto corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no input: a fuzz target comes with seeds\n", argv[1]);
    return 1;
  }
  for (const auto& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  ipop::SeededRng rng(1);
  for (int i = 0; i < kMutations; ++i) {
    const auto input = mutated(corpus[rng.below(corpus.size())], rng);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu inputs, %d mutations\n", corpus.size(), kMutations);
  return 0;
}
