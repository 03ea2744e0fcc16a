// Turns the lines of a kernels.inc into definitions, in the translation unit of one instruction set: QS_COLUMN picks
// its column, and QS_DEFINE(type, isa) is expanded for the lines that name this very instruction set there.
//
// KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon): for each instruction set, whose code serves it.

#define QS_KERNEL_NAME_(op, type, isa) op##_row_##type##_##isa
#define QS_KERNEL_NAME(op, type, isa)  QS_KERNEL_NAME_(op, type, isa)
#define QS_SERVE_(isa, type)           QS_SERVE_##isa(type)
#define QS_SERVE(isa, type)            QS_SERVE_(isa, type)
#define KERNEL(type, sse2, avx2, avx512, avx512vnni, simd128, neon) \
  QS_SERVE(QS_COLUMN(sse2, avx2, avx512, avx512vnni, simd128, neon), type)

#define QS_SERVE_ref(type)
#ifdef QS_ISA_sse2
#define QS_SERVE_sse2(type) QS_DEFINE(type, sse2)
#else
#define QS_SERVE_sse2(type)
#endif
#ifdef QS_ISA_avx2
#define QS_SERVE_avx2(type) QS_DEFINE(type, avx2)
#else
#define QS_SERVE_avx2(type)
#endif
#ifdef QS_ISA_avx512
#define QS_SERVE_avx512(type) QS_DEFINE(type, avx512)
#else
#define QS_SERVE_avx512(type)
#endif
#ifdef QS_ISA_avx512vnni
#define QS_SERVE_avx512vnni(type) QS_DEFINE(type, avx512vnni)
#else
#define QS_SERVE_avx512vnni(type)
#endif
#ifdef QS_ISA_simd128
#define QS_SERVE_simd128(type) QS_DEFINE(type, simd128)
#else
#define QS_SERVE_simd128(type)
#endif
#ifdef QS_ISA_neon
#define QS_SERVE_neon(type) QS_DEFINE(type, neon)
#else
#define QS_SERVE_neon(type)
#endif
