/* neon: the SIMD vocabulary on AArch64 (Advanced SIMD, with the dot product instructions where the compiler may use them).
 * Vectors: edgec_b16, 16 int8; edgec_i4, 4 int32; edgec_f4, 4 float. */
#include <arm_neon.h>

typedef int8x16_t edgec_b16;
typedef int32x4_t edgec_i4;

static inline edgec_b16 edgec_load_b16(const int8_t *p) { return vld1q_s8(p); }
static inline edgec_i4 edgec_load_i4(const int32_t *p) { return vld1q_s32(p); }

/* Four sums under way: of four channels, from an int32 each; their totals. */
typedef int32x4_t edgec_sum4;

static inline edgec_sum4 edgec_sum_start(edgec_i4 from) { return from; }
static inline edgec_i4 edgec_sum_total(edgec_sum4 sum) { return sum; }

/* Sixteen bytes of a pixel, ready to be multiplied. */
typedef int8x16_t edgec_x16;

static inline edgec_x16 edgec_load_x16(const int8_t *p) { return vld1q_s8(p); }

/* sum[j] += sum over i < 4 of w[4*j + i] * x[4*lane + i]; no sum of two neighbouring products leaves int16 (weights above -128). */
#if defined(__ARM_FEATURE_DOTPROD)
#define EDGEC_DOT(sum, w, x, lane) vdotq_laneq_s32(sum, w, x, lane)
#else
static inline edgec_sum4 edgec_dot(edgec_sum4 sum, edgec_b16 w, edgec_b16 x)
{
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#define EDGEC_DOT(sum, w, x, lane) edgec_dot(sum, w, vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x), lane)))
#endif

/* floor((2 * (acc << left) * m / 2^32 + 2^(n-1)) / 2^n), n = -shift >= 1: the contract's requantization before its zero point. */
static inline edgec_i4 edgec_scale_i4(edgec_i4 acc, edgec_i4 m, int32_t left, int32_t shift)
{
    return vrshlq_s32(vqdmulhq_s32(vshlq_s32(acc, vdupq_n_s32(left)), m), vdupq_n_s32(shift));
}

/* clamp(z + v, lo, hi) as int8. */
static inline edgec_b16 edgec_narrow_b16(edgec_i4 a, edgec_i4 b, edgec_i4 c, edgec_i4 d, int32_t z, int32_t lo, int32_t hi)
{
    const int16x8_t zero = vdupq_n_s16((int16_t)z);
    const int16x8_t low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), zero);
    const int16x8_t high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), zero);
    const int8x16_t both = vqmovn_high_s16(vqmovn_s16(low), high);
    return vminq_s8(vmaxq_s8(both, vdupq_n_s8((int8_t)lo)), vdupq_n_s8((int8_t)hi));
}

static inline void edgec_store_b16(int8_t *p, edgec_b16 v) { vst1q_s8(p, v); }

/* The first 4, 8 or 12 bytes. */
static inline void edgec_store_first(int8_t *p, edgec_b16 v, int count)
{
    int8_t all[16];
    vst1q_s8(all, v);
    memcpy(p, all, (size_t)count);
}

/* Sixteen int32 accumulators, one for each byte of a vector. */
typedef struct {
    edgec_i4 v[4];
} edgec_acc16;

static inline edgec_acc16 edgec_acc_load(const int32_t *p)
{
    return (edgec_acc16){{ '{{' }} vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12) {{ '}}' }};
}

static inline edgec_acc16 edgec_acc_add(edgec_acc16 a, int16x8_t low, int16x8_t high)
{
    return (edgec_acc16){{ '{{' }} vaddw_s16(a.v[0], vget_low_s16(low)), vaddw_high_s16(a.v[1], low),
                           vaddw_s16(a.v[2], vget_low_s16(high)), vaddw_high_s16(a.v[3], high) {{ '}}' }};
}

/* Weights of one tap, of two; acc[i] += w[i] * x[i], acc[i] += w0[i] * x0[i] + w1[i] * x1[i] (weights above -128: the sum fits int16). */
typedef struct {
    edgec_b16 w0, w1;
} edgec_tap2;

static inline edgec_tap2 edgec_tap2_load(const int8_t *w) { return (edgec_tap2){vld1q_s8(w), vld1q_s8(w + 16)}; }

static inline edgec_acc16 edgec_mac1(edgec_acc16 acc, const int8_t *w, edgec_b16 x)
{
    const edgec_b16 v = vld1q_s8(w);
    return edgec_acc_add(acc, vmull_s8(vget_low_s8(v), vget_low_s8(x)), vmull_high_s8(v, x));
}

static inline edgec_acc16 edgec_mac2(edgec_acc16 acc, edgec_tap2 w, edgec_b16 x0, edgec_b16 x1)
{
    const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(w.w0), vget_low_s8(x0)), vget_low_s8(w.w1), vget_low_s8(x1));
    return edgec_acc_add(acc, low, vmlal_high_s8(vmull_high_s8(w.w0, x0), w.w1, x1));
}

static inline edgec_b16 edgec_acc_done(edgec_acc16 acc, const int32_t *m, int32_t left, int32_t shift, int32_t z, int32_t lo, int32_t hi)
{
    edgec_i4 y[4];
    for (int i = 0; i < 4; ++i) {
        y[i] = edgec_scale_i4(acc.v[i], edgec_load_i4(m + 4 * i), left, shift);
    }
    return edgec_narrow_b16(y[0], y[1], y[2], y[3], z, lo, hi);
}
