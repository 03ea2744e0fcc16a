// What the encoders of the codebook formats derive from a grid: for every point of the lattice, its index in the grid
// or the grid points near it, the candidates an encoder chooses from.
//
// The lists decide bytes: a candidate wins only if it is strictly better than those before it. ggml's order is by
// distance, then by index; a list ends with the last point of the first one, two or three different distances.
//
// The tables are built when first asked for, by one thread while others wait (a C++ function-local static), and never
// change: 2.0 MB for all six grids would be ten times the module, and building them takes 1 to 15 ms each. That is the
// only state of the kernels, and nothing outside can tell whether it exists yet. Absent on purpose: allocation; each
// table is a static object of fixed size.
#pragma once

#include <stddef.h>
#include <stdint.h>

// A lattice point of eight weights has the number (((l7 * 3 + l6) * 3 + ..) * 3 + l0, of four l3 << 9 | .. | l0; l are
// levels. A packed point is as in codebooks.h.
constexpr size_t kPointsOfEight = 6561;
constexpr size_t kPointsOfFour = 4096;
constexpr size_t kCandidateSlack = 16;  // readable uint16_t after the last list: a vector load may go past its end

struct Neighbours {
  // By number of the point: the low 9 bits are the number of candidates and the rest is where they start, or the low
  // bits are 0 and the rest is the index of the point, which then is on the grid.
  const uint32_t* points;
  const uint16_t* candidates;  // packed points

  // The index of a point that is on the grid.
  uint32_t index_of(uint32_t number) const { return points[number] >> 9; }
};

const Neighbours& neighbours_iq2_xxs();
const Neighbours& neighbours_iq2_xs();
const Neighbours& neighbours_iq2_s();
const Neighbours& neighbours_iq3_xxs();
const Neighbours& neighbours_iq3_s();
const Neighbours& neighbours_iq1_s();  // IQ1_M's too

// The number of a packed point of eight weights, by its two bytes: four levels each give a number below 81.
struct HalfNumbers {
  uint16_t of[256];
};
extern const HalfNumbers kHalfNumbers;  // a level of 3, which no point has, counts as 2

static inline uint32_t number_of_eight(uint32_t packed) {
  return kHalfNumbers.of[packed >> 8 & 255] * 81u + kHalfNumbers.of[packed & 255];
}
