/* neon: the SIMD vocabulary on AArch64 (Advanced SIMD, with the dot and matrix products that the compiler may use).
 * Vectors: edgec_b16, 16 int8; edgec_i4, 4 int32; edgec_f4, 4 float. */
#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#include <arm_neon.h>

#if defined(__ARM_FEATURE_MATMUL_INT8)
#define EDGEC_SIMD "i8mm"
#elif defined(__ARM_FEATURE_DOTPROD)
#define EDGEC_SIMD "dotprod"
#else
#define EDGEC_SIMD "neon"
#endif

typedef int8x16_t edgec_b16;
typedef int32x4_t edgec_i4;

static inline edgec_b16 edgec_load_b16(const int8_t *p) { return vld1q_s8(p); }
static inline edgec_b16 edgec_zero_b16(void) { return vdupq_n_s8(0); }
static inline edgec_i4 edgec_load_i4(const int32_t *p) { return vld1q_s32(p); }

/* Loads do not move over it: the vectors of one step fit the registers, those of several do not. */
#define EDGEC_APART __asm__ volatile("" ::: "memory")

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

/* Matrix products: of two pixels' eight bytes side by side and two channels' eight, into sums of both pixels: channel 0 and 1 of the first,
 * 0 and 1 of the second. */
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define EDGEC_PAIRS
static inline edgec_i4 edgec_mac_pairs(edgec_i4 sums, edgec_b16 x, edgec_b16 w)
{
#if defined(__clang__)
    return vmmlaq_s32(sums, x, w);
#else /* spelt out for the same reason as EDGEC_FMA_LANE below */
    __asm__("smmla %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(x), "w"(w));
    return sums;
#endif
}

/* Low (high) eight bytes of two vectors. */
static inline edgec_b16 edgec_low_pixels(edgec_b16 a, edgec_b16 b)
{
    return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

static inline edgec_b16 edgec_high_pixels(edgec_b16 a, edgec_b16 b)
{
    return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

static inline edgec_i4 edgec_low_halves(edgec_i4 a, edgec_i4 b)
{
    return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

static inline edgec_i4 edgec_high_halves(edgec_i4 a, edgec_i4 b)
{
    return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

/* Of four channels' bytes and their next four: the first (last) two channels' eight. */
static inline edgec_b16 edgec_low_channels(edgec_b16 w, edgec_b16 next)
{
    return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(w), vreinterpretq_s32_s8(next)));
}

static inline edgec_b16 edgec_high_channels(edgec_b16 w, edgec_b16 next)
{
    return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(w), vreinterpretq_s32_s8(next)));
}
#endif

/* Four floats; a + w * x, a + w * x[lane]. */
typedef float32x4_t edgec_f4;

static inline edgec_f4 edgec_load_f4(const float *p) { return vld1q_f32(p); }
static inline void edgec_store_f4(float *p, edgec_f4 v) { vst1q_f32(p, v); }
static inline edgec_f4 edgec_splat_f4(float x) { return vdupq_n_f32(x); }
static inline edgec_f4 edgec_fma_f4(edgec_f4 a, edgec_f4 w, edgec_f4 x) { return vfmaq_f32(a, w, x); }
static inline edgec_f4 edgec_clamp_f4(edgec_f4 v, edgec_f4 lo, edgec_f4 hi) { return vminq_f32(vmaxq_f32(v, lo), hi); }
#if defined(__clang__)
#define EDGEC_FMA_LANE(a, w, x, lane) vfmaq_laneq_f32(a, w, x, lane)
#else /* the same instruction, spelt out: of the intrinsic's sums gcc 12 copies eleven of sixteen every time around */
#define EDGEC_FMA_LANE(a, w, x, lane) \
    __extension__({ \
        edgec_f4 sum_ = (a); \
        __asm__("fmla %0.4s, %1.4s, %2.s[" #lane "]" : "+w"(sum_) : "w"(w), "w"(x)); \
        sum_; \
    })
#endif

/* The contract's requantization, in vectors. */
typedef struct {
    int32x4_t left, shift;
    int16x8_t zero;
    int8x16_t lo, hi;
} edgec_quant;

static inline edgec_quant edgec_quant_of(int32_t left, int32_t shift, int32_t z, int32_t lo, int32_t hi)
{
    return (edgec_quant){vdupq_n_s32(left), vdupq_n_s32(shift), vdupq_n_s16((int16_t)z), vdupq_n_s8((int8_t)lo), vdupq_n_s8((int8_t)hi)};
}

/* floor((2 * acc * m / 2^32 + 2^(n-1)) / 2^n), n = -shift >= 1, before its zero point; _left: of acc << left. */
static inline edgec_i4 edgec_scale_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q) { return vrshlq_s32(vqdmulhq_s32(acc, m), q.shift); }
static inline edgec_i4 edgec_scale_left_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q) { return edgec_scale_i4(vshlq_s32(acc, q.left), m, q); }

/* clamp(z + v, lo, hi) as int8. */
static inline edgec_b16 edgec_narrow_b16(edgec_i4 a, edgec_i4 b, edgec_i4 c, edgec_i4 d, edgec_quant q)
{
    const int16x8_t low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), q.zero);
    const int16x8_t high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), q.zero);
    return vminq_s8(vmaxq_s8(vqmovn_high_s16(vqmovn_s16(low), high), q.lo), q.hi);
}

static inline void edgec_store_b16(int8_t *p, edgec_b16 v) { vst1q_s8(p, v); }

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

/* A column of four rows of sixteen channels, channel by channel. */
#if defined(__ARM_FEATURE_DOTPROD)
#define EDGEC_COLUMNS 1
typedef struct {
    int8x16_t v[4];
} edgec_column;

static inline edgec_column edgec_column_of(edgec_b16 a, edgec_b16 b, edgec_b16 c, edgec_b16 d)
{
    const int16x8_t ab0 = vreinterpretq_s16_s8(vzip1q_s8(a, b)), ab1 = vreinterpretq_s16_s8(vzip2q_s8(a, b));
    const int16x8_t cd0 = vreinterpretq_s16_s8(vzip1q_s8(c, d)), cd1 = vreinterpretq_s16_s8(vzip2q_s8(c, d));
    return (edgec_column){{ '{{' }}vreinterpretq_s8_s16(vzip1q_s16(ab0, cd0)), vreinterpretq_s8_s16(vzip2q_s16(ab0, cd0)),
                           vreinterpretq_s8_s16(vzip1q_s16(ab1, cd1)), vreinterpretq_s8_s16(vzip2q_s16(ab1, cd1)){{ '}}' }};
}

static inline edgec_column edgec_column_splat(int32_t x)
{
    const int8x16_t v = vdupq_n_s8((int8_t)x);
    return (edgec_column){{ '{{' }}v, v, v, v{{ '}}' }};
}

/* acc[i] += the sum over the four rows of w[i][row] * x[i][row]. */
static inline edgec_acc16 edgec_mac_column(edgec_acc16 acc, edgec_column w, edgec_column x)
{
    for (int i = 0; i < 4; ++i) {
        acc.v[i] = vdotq_s32(acc.v[i], w.v[i], x.v[i]);
    }
    return acc;
}
#endif
#endif
