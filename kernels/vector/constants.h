// Constants of the elementary functions (vector/ref.cc, vector/vector-inl.h). The polynomials are minimax fits of the
// relative error of the whole function, rounded to float.
#pragma once

namespace qs {
namespace {

// exp: error at most 0.977 units in the last place, by trying all floats. Results below the smallest normal number
// (x < -87.33654) are 0: denormal weights would take x86 processors up to 150 cycles each, and mean nothing.
constexpr float kExpZero = -0x1.5d589ep+6f;
constexpr float kExpInfinity = 0x1.62e42ep+6f;  // the largest x with a finite result
constexpr float kLog2E = 0x1.715476p+0f;
constexpr float kToInteger = 12582912.0f;   // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
constexpr float kLn2High = 0x1.62e4p-1f;    // few bits, so that its products with -126 .. 128 are exact
constexpr float kLn2Low = 0x1.7f7d1cp-20f;  // ln 2 - kLn2High
constexpr float kExp2 = 0x1.fffffcp-2f, kExp3 = 0x1.555492p-3f, kExp4 = 0x1.5558f2p-5f, kExp5 = 0x1.123a2p-7f,
                kExp6 = 0x1.6a23dp-10f;

// tanh: error at most 1.34 units in the last place.
constexpr float kTanhSmall = 0.625f;
constexpr float kTanh3 = -0x1.555532p-2f, kTanh5 = 0x1.110726p-3f, kTanh7 = -0x1.b83c5ap-5f, kTanh9 = 0x1.52269cp-6f,
                kTanh11 = -0x1.75e1cep-8f;

constexpr float kGeluScale = 0.79788456080286535588f;  // sqrt(2 / pi)
constexpr float kGeluCube = 0.044715f;

}  // namespace
}  // namespace qs
