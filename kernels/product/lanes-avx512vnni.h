// What products need of AVX-512 with VNNI: sixteen rows to a vector in panels, eight where there are one or two inputs.
//
// One instruction (vpdpbusd) multiplies four unsigned bytes with four signed ones in every lane and adds their sum,
// exactly. So codes are made unsigned: signed ones are moved up by 128, which the sums of the inputs' codes take back,
// as they do for the formats that are stored so.
//
// One thread of an AMD Zen 4, rows of 1,536, kernels alone, AVX2 and this. 240 inputs, in GOP/s: Q4_0 169 and 330, Q8_0
// 124 and 320, Q4_K 161 and 328, Q5_K 189 and 328, Q6_K 200 and 307, IQ4_XS 135 and 333, F32 64 and 84, BF16 60 and 72,
// F16 70 and 72 (of floats both widths have the same peak where a product and its sum are rounded each). The
// instruction alone makes 472. One input, weights in the second-level cache, in GB/s: Q4_0 27 and 29, Q8_0 39 and 50,
// Q4_K 23 and 25, Q5_K 25 and 28, Q6_K 33 and 37, IQ4_XS 18 and 19; memory gave 34.
#pragma once

#include "product/lanes-avx2.h"

namespace {

// A format with signed codes as one with unsigned codes.
template <class Format>
struct Raised : Format {
  static constexpr bool is_signed = false;
  static constexpr int max_code = Format::max_code + 128;
};

template <class Format>
struct Raised32 : Raised<Format> {
  static constexpr int offset = Format::offset + 128;

  template <class Ops>
  static U8x32 codes(const typename Format::Block& block, size_t index) {
    return Format::template codes<Ops>(block, index) ^ 128;
  }
};

template <class Format>
struct Raised256 : Raised<Format> {
  static_assert(Format::mins == Mins::kNone, "their place is taken");
  static constexpr Mins mins = Mins::kOffset;

  template <class Ops, size_t j>
  static U8x32 codes(const typename Format::Block& block) {
    return Format::template codes<Ops, j>(block) ^ 128;
  }
  template <class Ops>
  static Scales256 scales(const typename Format::Block& block) {
    return with_offset(Format::template scales<Ops>(block).scales, 128);
  }
};

template <class Format, bool raised>
struct ServedAs {
  using Type = Format;
};
template <class Format>
  requires(Format::input == Input::kBlocks32)
struct ServedAs<Format, true> {
  using Type = Raised32<Format>;
};
template <class Format>
  requires(Format::input == Input::kBlocks256)
struct ServedAs<Format, true> {
  using Type = Raised256<Format>;
};

template <class Format, Input... inputs>
constexpr bool needs_raising() {
  if constexpr (((Format::input == inputs) || ...)) {
    return Format::is_signed;
  } else {
    return false;
  }
}

// One or two inputs: memory is the limit, and half a register as good as a whole one. Floats are those of AVX2: sixteen
// F16 converted at once made 47 GB/s, eight 56.
struct FewLanes : Avx2Lanes {
  // In units of 256 a scale is multiplied with 16-bit sums, which codes above 127 would not fit.
  template <class Format>
  using Served = typename ServedAs<Format, needs_raising<Format, Input::kBlocks32>()>::Type;

  template <class Format>
  static I dot_32(U8x32 codes, const int8_t* x) {
    return _mm256_dpbusd_epi32(zero_i(), __builtin_bit_cast(I, codes), load_i(x));
  }

  // The instruction takes four cycles where an addition takes one: with one sum Q4_K made 23.1 GB/s, Q6_K 34.2 and
  // IQ4_XS 17.2, with four 24.2, 36.2 and 18.1.
  static constexpr size_t chains = 2;

  template <class Format, size_t j>
  static I add_scaled_dot(I sum, U8x32 codes, const int8_t* x, const Scales& scales) {
    const I products = pairs<Format>(__builtin_bit_cast(I, codes), load_i(x));
    return _mm256_dpwssd_epi32(sum, products, scale_of_chunk<j>(scales));
  }

  using Avx2Lanes::paired;
  static PairedCodes paired(const block_iq4_nl& a, const block_iq4_nl& b) { return raised(Avx2Lanes::paired(a, b)); }
  static PairedCodes paired(const block_mxfp4& a, const block_mxfp4& b) { return raised(Avx2Lanes::paired(a, b)); }
  static PairedCodes paired(const block_q8_0& a, const block_q8_0& b) {
    return raised({two(a.codes, b.codes), two(a.codes + 16, b.codes + 16)});
  }

  template <class Format, size_t>
  [[gnu::always_inline]] static I paired_totals(const PairedCodes* pairs_of_rows, const int8_t* x) {
    const I x_low = load_twice(x), x_high = load_twice(x + 16);
    I sums[4];
    for (size_t p = 0; p < 4; ++p) {
      sums[p] = _mm256_dpbusd_epi32(zero_i(), pairs_of_rows[p].low, x_low);
      sums[p] = _mm256_dpbusd_epi32(sums[p], pairs_of_rows[p].high, x_high);
    }
    return add_quads(add_pairs(sums[0], sums[1]), add_pairs(sums[2], sums[3]));
  }

 private:
  static PairedCodes raised(PairedCodes codes) {
    const I sign = _mm256_set1_epi8(-128);
    return {_mm256_xor_si256(codes.low, sign), _mm256_xor_si256(codes.high, sign)};
  }
  static I two(const int8_t* a, const int8_t* b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
  }
};

struct Lanes : Avx2Lanes {
  using Few = FewLanes;
  template <class Format>
  using Served = typename ServedAs<Format, needs_raising<Format, Input::kBlocks32, Input::kBlocks256>()>::Type;
  using F = __m512;
  using I = __m512i;
  static constexpr size_t rows = 16, float_lanes = 16;
  static constexpr size_t float_rows = 4, float_group = 6;
  // Here four, six and twelve were as fast; a processor with two such units needs ten sums at once to keep them busy.
  template <bool is_signed>
  static constexpr size_t group = 8;
  // The last ones of a prompt in fours, then all that are left.
  static constexpr size_t together(size_t left, size_t group) { return left >= group ? group : left > 4 ? 4 : left; }

  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static F set(float v) { return _mm512_set1_ps(v); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F load_some(const float* p, size_t count) { return _mm512_maskz_loadu_ps(first(count), p); }
  static void store_some(float* p, F v, size_t count) { _mm512_mask_storeu_ps(p, first(count), v); }

  static I zero_i() { return _mm512_setzero_si512(); }
  static I set_i(int32_t v) { return _mm512_set1_epi32(v); }
  static I sub_i(I a, I b) { return _mm512_sub_epi32(a, b); }
  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }

  // ---- Panels: lane r belongs to row r ----

  template <size_t bytes>
  static void interleave(const int8_t* source, size_t stride, int8_t* target) {
    for (size_t c = 0; c < bytes; c += 32) {
      for (size_t half = 0; half < 2; ++half) {
        __m256i row[8];
        for (size_t r = 0; r < 8; ++r) row[r] = load_i(source + (8 * half + r) * stride + c);
        transpose(row);
        for (size_t g = 0; g < 8; ++g) store_i(target + 16 * c + 64 * g + 32 * half, row[g]);
      }
    }
  }

  // As 32-bit numbers.
  static void interleave_scales(const int16_t* source, size_t stride, int16_t* target) {
    alignas(64) int8_t pairs[32 * 16];
    interleave<32>(reinterpret_cast<const int8_t*>(source), stride, pairs);
    for (size_t g = 0; g < 8; ++g) {
      const I pair = load_16(pairs + 64 * g);
      _mm512_storeu_si512(target + 64 * g, _mm512_srai_epi32(_mm512_slli_epi32(pair, 16), 16));
      _mm512_storeu_si512(target + 64 * g + 32, _mm512_srai_epi32(pair, 16));
    }
  }

  static I add_mins(I below, const int16_t* mins, const int16_t* sums) {
    return _mm512_dpwssd_epi32(below, load_16(mins), four_of(sums));
  }

  template <bool is_signed, size_t groups, size_t, size_t count>
  static void add_scaled(const int8_t* panel, const int8_t* const* codes, size_t column, const int16_t* scales,
                         I* whole) {
    I part[count];
    for (size_t k = 0; k < count; ++k) part[k] = zero_i();
    add_plain<is_signed, groups, 1, count>(panel, codes, column, part);
    const I factors = load_16(scales);
    for (size_t k = 0; k < count; ++k) whole[k] = _mm512_add_epi32(whole[k], _mm512_mullo_epi32(part[k], factors));
  }

  template <bool is_signed, size_t groups, size_t, size_t count>
  static void add_plain(const int8_t* panel, const int8_t* const* codes, size_t column, I* whole) {
    static_assert(!is_signed);
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; ++g) {
      const I weights = load_16(panel + 64 * g);
#pragma GCC unroll 16
      for (size_t k = 0; k < count; ++k) {
        whole[k] = _mm512_dpbusd_epi32(whole[k], weights, four_of(codes[k] + column + 4 * g));
      }
    }
  }

  // ---- Float weights ----

  static F load_weights(const block_f32* p) { return load(&p->value); }
  static F load_weights(const block_f16* p) { return _mm512_cvtph_ps(load_i(p)); }
  static F load_weights(const block_bf16* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_i(p)), 16));
  }

  static float fold_16(const F* sums) {
    const __m256 both[2] = {_mm512_castps512_ps256(*sums), _mm512_extractf32x8_ps(*sums, 1)};
    return Avx2Lanes::fold_16(both);
  }

 private:
  static __mmask16 first(size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
  static I load_16(const void* p) { return _mm512_loadu_si512(p); }
  static I four_of(const void* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
};

}  // namespace
