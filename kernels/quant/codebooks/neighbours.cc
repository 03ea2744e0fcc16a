#include "quant/codebooks/neighbours.h"

#include "quant/codebooks/codebooks.h"

namespace {

constexpr unsigned level_of(unsigned packed, unsigned i) {
  const unsigned level = packed >> (2 * i) & 3;
  return level < 3 ? level : 2;
}

// Squared distances in levels are at most 8 * 2^2 and 4 * 7^2.
constexpr size_t kDistances = 4 * 7 * 7 + 1;

// `Candidates`: length of all lists together, measured; another grid would need another number and traps below.
template <size_t Points, size_t Entries, size_t Candidates>
struct Table : Neighbours {
  uint32_t point_storage[Points];
  uint16_t candidate_storage[Candidates + kCandidateSlack] = {};

  // `distance(number, entry)` in levels, squared; `number_of(packed)`; `shells` different distances make a list.
  template <class Distance, class NumberOf>
  Table(const uint16_t (&grid)[Entries], size_t shells, NumberOf number_of, Distance distance) {
    points = point_storage;
    candidates = candidate_storage;
    constexpr uint32_t off_grid = ~uint32_t{0};
    for (uint32_t& point : point_storage) point = off_grid;
    for (size_t j = 0; j < Entries; ++j) point_storage[number_of(grid[j])] = static_cast<uint32_t>(j) << 9;
    size_t used = 0;
    for (size_t number = 0; number < Points; ++number) {
      if (point_storage[number] != off_grid) continue;
      uint8_t distances[Entries];
      uint16_t entries_at[kDistances] = {};
      for (size_t j = 0; j < Entries; ++j) {
        distances[j] = distance(number, j);
        ++entries_at[distances[j]];
      }
      // Counting sort of the shells: `next[d]` is where the next entry at distance d goes.
      size_t next[kDistances];
      size_t count = 0, last = 0;
      for (size_t d = 0, have = 0; d < kDistances && have < shells; ++d) {
        if (entries_at[d] == 0) continue;
        next[d] = used + count;
        count += entries_at[d];
        last = d;
        ++have;
      }
      if (used + count > Candidates || count > 511) __builtin_trap();
      for (size_t j = 0; j < Entries; ++j) {
        if (distances[j] <= last) candidate_storage[next[distances[j]]++] = grid[j];
      }
      point_storage[number] = static_cast<uint32_t>(used << 9 | count);
      used += count;
    }
  }
};

// Eight weights: the distance of two halves of four levels, each a number below 81, by table.
struct HalfDistances {
  uint8_t of[81][81];

  HalfDistances() {
    for (unsigned a = 0; a < 81; ++a) {
      for (unsigned b = 0; b < 81; ++b) {
        unsigned sum = 0;
        for (unsigned i = 0, p = a, q = b; i < 4; ++i, p /= 3, q /= 3) {
          const int difference = static_cast<int>(p % 3) - static_cast<int>(q % 3);
          sum += static_cast<unsigned>(difference * difference);
        }
        of[a][b] = static_cast<uint8_t>(sum);
      }
    }
  }
};

template <size_t Entries, size_t Candidates>
struct TableOfEight : Table<kPointsOfEight, Entries, Candidates> {
  TableOfEight(const uint16_t (&grid)[Entries], size_t shells) : TableOfEight(grid, shells, HalfDistances()) {}

 private:
  TableOfEight(const uint16_t (&grid)[Entries], size_t shells, const HalfDistances& distances)
      : Table<kPointsOfEight, Entries, Candidates>(grid, shells, number_of_eight, [&](size_t number, size_t j) {
          const uint8_t low = distances.of[number % 81][kHalfNumbers.of[grid[j] & 255]];
          return static_cast<uint8_t>(low + distances.of[number / 81][kHalfNumbers.of[grid[j] >> 8]]);
        }) {}
};

template <size_t Entries, size_t Candidates>
struct TableOfFour : Table<kPointsOfFour, Entries, Candidates> {
  TableOfFour(const uint16_t (&grid)[Entries], size_t shells)
      : Table<kPointsOfFour, Entries, Candidates>(
            grid, shells, [](uint32_t packed) { return packed; },
            [&](size_t number, size_t j) {
              int sum = 0;
              for (unsigned i = 0; i < 12; i += 3) {
                const int difference = static_cast<int>(number >> i & 7) - (grid[j] >> i & 7);
                sum += difference * difference;
              }
              return static_cast<uint8_t>(sum);
            }) {}
};

constexpr HalfNumbers half_numbers() {
  HalfNumbers numbers = {};
  for (unsigned packed = 0; packed < 256; ++packed) {
    unsigned number = 0;
    for (unsigned i = 4; i-- > 0;) number = number * 3 + level_of(packed, i);
    numbers.of[packed] = static_cast<uint16_t>(number);
  }
  return numbers;
}

}  // namespace

constinit const HalfNumbers kHalfNumbers = half_numbers();

const Neighbours& neighbours_iq2_xxs() {
  static const TableOfEight<256, 113157> table(kIq2XxsGrid, 2);
  return table;
}

const Neighbours& neighbours_iq2_xs() {
  static const TableOfEight<512, 181721> table(kIq2XsGrid, 2);
  return table;
}

const Neighbours& neighbours_iq2_s() {
  static const TableOfEight<1024, 44716> table(kIq2SGrid, 1);
  return table;
}

const Neighbours& neighbours_iq1_s() {
  static const TableOfEight<2048, 327721> table(kIq1SGrid, 3);
  return table;
}

const Neighbours& neighbours_iq3_xxs() {
  static const TableOfFour<256, 18985> table(kIq3XxsGrid, 2);
  return table;
}

const Neighbours& neighbours_iq3_s() {
  static const TableOfFour<512, 24733> table(kIq3SGrid, 3);
  return table;
}
