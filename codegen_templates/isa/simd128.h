/* simd128: the SIMD vocabulary in WebAssembly.
 * Vectors: edgec_b16, 16 int8; edgec_i4, 4 int32; edgec_f4, 4 float. */
#if defined(__wasm_simd128__)
#define EDGEC_SIMD "simd"
#define EDGEC_APART ((void)0)
#include <wasm_simd128.h>

typedef v128_t edgec_b16;
typedef v128_t edgec_i4;

static inline edgec_b16 edgec_load_b16(const int8_t *p) { return wasm_v128_load(p); }
static inline edgec_i4 edgec_load_i4(const int32_t *p) { return wasm_v128_load(p); }

/* Four sums under way, each in two halves: of four channels, from an int32 each; their totals. */
typedef struct {
    v128_t low, high;
} edgec_sum4;

static inline edgec_sum4 edgec_sum_start(edgec_i4 from)
{
    const v128_t zero = wasm_i32x4_const_splat(0);
    return (edgec_sum4){wasm_i32x4_shuffle(from, zero, 0, 4, 1, 4), wasm_i32x4_shuffle(from, zero, 2, 4, 3, 4)};
}

static inline edgec_i4 edgec_sum_total(edgec_sum4 sum)
{
    return wasm_i32x4_add(wasm_i32x4_shuffle(sum.low, sum.high, 0, 2, 4, 6), wasm_i32x4_shuffle(sum.low, sum.high, 1, 3, 5, 7));
}

/* Four bytes of a pixel, ready to be multiplied. */
typedef v128_t edgec_x4;

static inline edgec_x4 edgec_load_x4(const int8_t *p) { return wasm_i16x8_extend_low_i8x16(wasm_v128_load32_splat(p)); }

/* Sixteen bytes of weights, likewise. */
typedef struct {
    v128_t low, high;
} edgec_w16;

static inline edgec_w16 edgec_load_w16(const int8_t *p) { return (edgec_w16){wasm_i16x8_load8x8(p), wasm_i16x8_load8x8(p + 8)}; }

/* sum[j] += sum over i < 4 of w[4*j + i] * x[i]. */
static inline edgec_sum4 edgec_dot(edgec_sum4 sum, edgec_w16 w, edgec_x4 x)
{
    return (edgec_sum4){wasm_i32x4_add(sum.low, wasm_i32x4_dot_i16x8(w.low, x)), wasm_i32x4_add(sum.high, wasm_i32x4_dot_i16x8(w.high, x))};
}

/* Four floats; a + w * x. */
typedef v128_t edgec_f4;

static inline edgec_f4 edgec_load_f4(const float *p) { return wasm_v128_load(p); }
static inline void edgec_store_f4(float *p, edgec_f4 v) { wasm_v128_store(p, v); }
static inline edgec_f4 edgec_splat_f4(float x) { return wasm_f32x4_splat(x); }
static inline edgec_f4 edgec_load_splat_f4(const float *p) { return wasm_v128_load32_splat(p); }
static inline edgec_f4 edgec_fma_f4(edgec_f4 a, edgec_f4 w, edgec_f4 x) { return wasm_f32x4_add(a, wasm_f32x4_mul(w, x)); }
static inline edgec_f4 edgec_clamp_f4(edgec_f4 v, edgec_f4 lo, edgec_f4 hi) { return wasm_f32x4_pmin(hi, wasm_f32x4_pmax(lo, v)); }

/* The contract's requantization. */
typedef struct {
    int32_t left, shift;
    v128_t half, zero, lo, hi;
} edgec_quant;

static inline edgec_quant edgec_quant_of(int32_t left, int32_t shift, int32_t z, int32_t lo, int32_t hi)
{
    return (edgec_quant){left, -shift, wasm_i32x4_splat(1 << (-shift - 1)), wasm_i16x8_splat((int16_t)z), wasm_i8x16_splat((int8_t)lo),
                         wasm_i8x16_splat((int8_t)hi)};
}

/* floor((2 * acc * m / 2^32 + 2^(n-1)) / 2^n), n = -shift >= 1, before its zero point; _left: of acc << left. */
static inline edgec_i4 edgec_scale_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q)
{
    const v128_t low = wasm_u64x2_shr(wasm_i64x2_extmul_low_i32x4(acc, m), 31), high = wasm_u64x2_shr(wasm_i64x2_extmul_high_i32x4(acc, m), 31);
    return wasm_i32x4_shr(wasm_i32x4_add(wasm_i32x4_shuffle(low, high, 0, 2, 4, 6), q.half), (uint32_t)q.shift);
}

static inline edgec_i4 edgec_scale_left_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q)
{
    return edgec_scale_i4(wasm_i32x4_shl(acc, (uint32_t)q.left), m, q);
}

/* clamp(z + v, lo, hi) as int8. */
static inline edgec_b16 edgec_narrow_b16(edgec_i4 a, edgec_i4 b, edgec_i4 c, edgec_i4 d, edgec_quant q)
{
    const v128_t low = wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(a, b), q.zero), high = wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(c, d), q.zero);
    return wasm_i8x16_min(wasm_i8x16_max(wasm_i8x16_narrow_i16x8(low, high), q.lo), q.hi);
}

static inline void edgec_store_b16(int8_t *p, edgec_b16 v) { wasm_v128_store(p, v); }

/* Sixteen int32 accumulators, one for each byte of a vector. */
typedef struct {
    edgec_i4 v[4];
} edgec_acc16;

static inline edgec_acc16 edgec_acc_load(const int32_t *p)
{
    return (edgec_acc16){{ '{{' }}edgec_load_i4(p), edgec_load_i4(p + 4), edgec_load_i4(p + 8), edgec_load_i4(p + 12){{ '}}' }};
}

/* Weights of two taps, side by side as int16; acc[i] += w[i] * x[i], acc[i] += w0[i] * x0[i] + w1[i] * x1[i]. */
typedef struct {
    v128_t w[4];
} edgec_tap2;

#define EDGEC_PAIRS_LOW(a, b) wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define EDGEC_PAIRS_HIGH(a, b) wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

static inline edgec_tap2 edgec_pairs(v128_t a, v128_t b)
{
    const v128_t low = EDGEC_PAIRS_LOW(a, b), high = EDGEC_PAIRS_HIGH(a, b);
    return (edgec_tap2){{ '{{' }}wasm_i16x8_extend_low_i8x16(low), wasm_i16x8_extend_high_i8x16(low), wasm_i16x8_extend_low_i8x16(high),
                         wasm_i16x8_extend_high_i8x16(high){{ '}}' }};
}

static inline edgec_tap2 edgec_tap2_load(const int8_t *w) { return edgec_pairs(wasm_v128_load(w), wasm_v128_load(w + 16)); }

static inline edgec_acc16 edgec_mac2(edgec_acc16 acc, edgec_tap2 w, edgec_b16 x0, edgec_b16 x1)
{
    const edgec_tap2 x = edgec_pairs(x0, x1);
    for (int i = 0; i < 4; ++i) {
        acc.v[i] = wasm_i32x4_add(acc.v[i], wasm_i32x4_dot_i16x8(w.w[i], x.w[i]));
    }
    return acc;
}

static inline edgec_acc16 edgec_mac1(edgec_acc16 acc, const int8_t *w, edgec_b16 x)
{
    const v128_t zero = wasm_i8x16_const_splat(0);
    return edgec_mac2(acc, edgec_pairs(wasm_v128_load(w), zero), x, zero);
}
#endif
