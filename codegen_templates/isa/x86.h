/* x86: the SIMD vocabulary on x86-64 with AVX2 and FMA, with the dot products (AVX-VNNI, AVX-512 VNNI) that the compiler may use.
 * Vectors: edgec_b16, 16 int8; edgec_i4, 4 int32; edgec_f4, 4 float; for tiles of sixteen channels also vectors of 256 and 512 bits. */
#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VNNI__)
#define EDGEC_SIMD "avx512vnni"
#define EDGEC_WIDE 512
#elif defined(__AVXVNNI__)
#define EDGEC_SIMD "avxvnni"
#define EDGEC_WIDE 256
#else
#define EDGEC_SIMD "avx2"
#define EDGEC_WIDE 256
#endif
#define EDGEC_APART ((void)0)

typedef __m128i edgec_b16;
typedef __m128i edgec_i4;

static inline __m128i edgec_load_128(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline edgec_b16 edgec_load_b16(const int8_t *p) { return edgec_load_128(p); }
static inline edgec_i4 edgec_load_i4(const int32_t *p) { return edgec_load_128(p); }

static inline int32_t edgec_load_32(const int8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Four sums under way: of four channels, from an int32 each; their totals. */
typedef __m128i edgec_sum4;

static inline edgec_sum4 edgec_sum_start(edgec_i4 from) { return from; }
static inline edgec_i4 edgec_sum_total(edgec_sum4 sum) { return sum; }

/* sum[j] += sum over i < 4 of w[4*j + i] * x[4*j + i].  Dot products take unsigned bytes times signed ones: |x|, and w with the sign of x
 * (weights are above -128; no sum of two neighbouring products leaves int16). */
{% for bits, prefix, sum in ((128, "_mm", "__m128i"), (256, "_mm256", "__m256i")) %}
static inline {{ sum }} edgec_dot_{{ bits }}({{ sum }} sum, {{ sum }} w, {{ sum }} x, {{ sum }} size)
{
    const {{ sum }} v = {{ prefix }}_sign_epi8(w, x);
#if EDGEC_WIDE == 512
    return {{ prefix }}_dpbusd_epi32(sum, size, v);
#elif defined(__AVXVNNI__)
    return {{ prefix }}_dpbusd_avx_epi32(sum, size, v);
#else
    return {{ prefix }}_add_epi32(sum, {{ prefix }}_madd_epi16({{ prefix }}_maddubs_epi16(size, v), {{ prefix }}_set1_epi16(1)));
#endif
}

{% endfor %}
/* Four bytes of a pixel in every lane, and their absolute values; sixteen bytes of weights. */
typedef struct {
    __m128i x, size;
} edgec_x4;
typedef __m128i edgec_w16;

static inline edgec_x4 edgec_load_x4(const int8_t *p)
{
    const __m128i x = _mm_set1_epi32(edgec_load_32(p));
    return (edgec_x4){x, _mm_abs_epi8(x)};
}

static inline edgec_w16 edgec_load_w16(const int8_t *p) { return edgec_load_128(p); }
static inline edgec_sum4 edgec_dot(edgec_sum4 sum, edgec_w16 w, edgec_x4 x) { return edgec_dot_128(sum, w, x.x, x.size); }

/* Four floats; a + w * x. */
typedef __m128 edgec_f4;

static inline edgec_f4 edgec_load_f4(const float *p) { return _mm_loadu_ps(p); }
static inline void edgec_store_f4(float *p, edgec_f4 v) { _mm_storeu_ps(p, v); }
static inline edgec_f4 edgec_splat_f4(float x) { return _mm_set1_ps(x); }
static inline edgec_f4 edgec_load_splat_f4(const float *p) { return _mm_broadcast_ss(p); }
static inline edgec_f4 edgec_fma_f4(edgec_f4 a, edgec_f4 w, edgec_f4 x) { return _mm_fmadd_ps(w, x, a); }
static inline edgec_f4 edgec_clamp_f4(edgec_f4 v, edgec_f4 lo, edgec_f4 hi) { return _mm_min_ps(hi, _mm_max_ps(lo, v)); }

/* The contract's requantization. */
typedef struct {
    int32_t left, shift, zero, lo, hi;
} edgec_quant;

static inline edgec_quant edgec_quant_of(int32_t left, int32_t shift, int32_t z, int32_t lo, int32_t hi)
{
    return (edgec_quant){left, -shift, z, lo, hi};
}

/* floor((2 * (acc << left) * m / 2^32 + 2^(n-1)) / 2^n), n = -shift >= 1, before its zero point. */
{% for bits, prefix, T, blend in ((128, "_mm", "__m128i", "_mm_blend_epi32(even, odd, 0xa)"), (256, "_mm256", "__m256i", "_mm256_blend_epi32(even, odd, 0xaa)"), (512, "_mm512", "__m512i", "_mm512_mask_blend_epi32(0xaaaa, even, odd)")) %}
{% if bits == 512 %}
#if EDGEC_WIDE == 512
{% endif %}
static inline {{ T }} edgec_scale_{{ bits }}({{ T }} acc, {{ T }} m, edgec_quant q)
{
    const {{ T }} even = {{ prefix }}_srli_epi64({{ prefix }}_mul_epi32(acc, m), 31);
    const {{ T }} odd = {{ prefix }}_slli_epi64({{ prefix }}_mul_epi32({{ prefix }}_srli_epi64(acc, 32), {{ prefix }}_srli_epi64(m, 32)), 1);
    const {{ T }} high = {{ blend }}, half = {{ prefix }}_set1_epi32(1 << (q.shift - 1));
    return {{ prefix }}_sra_epi32({{ prefix }}_add_epi32(high, half), _mm_cvtsi32_si128(q.shift));
}

static inline {{ T }} edgec_scale_left_{{ bits }}({{ T }} acc, {{ T }} m, edgec_quant q)
{
    return edgec_scale_{{ bits }}({{ prefix }}_sll_epi32(acc, _mm_cvtsi32_si128(q.left)), m, q);
}
{% if bits == 512 %}
#endif
{% endif %}

{% endfor %}
static inline edgec_i4 edgec_scale_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q) { return edgec_scale_128(acc, m, q); }
static inline edgec_i4 edgec_scale_left_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q) { return edgec_scale_left_128(acc, m, q); }

/* clamp(z + v, lo, hi) as int8. */
static inline edgec_b16 edgec_narrow_b16(edgec_i4 a, edgec_i4 b, edgec_i4 c, edgec_i4 d, edgec_quant q)
{
    const __m128i zero = _mm_set1_epi16((int16_t)q.zero);
    const __m128i low = _mm_adds_epi16(_mm_packs_epi32(a, b), zero), high = _mm_adds_epi16(_mm_packs_epi32(c, d), zero);
    return _mm_min_epi8(_mm_max_epi8(_mm_packs_epi16(low, high), _mm_set1_epi8((int8_t)q.lo)), _mm_set1_epi8((int8_t)q.hi));
}

static inline void edgec_store_b16(int8_t *p, edgec_b16 v) { _mm_storeu_si128((__m128i *)(void *)p, v); }

/* Sixteen channels of a pixel from wide vectors of their scaled sums. */
static inline edgec_b16 edgec_narrow_256(__m256i a, __m256i b, edgec_quant q)
{
    return edgec_narrow_b16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1), _mm256_castsi256_si128(b),
                            _mm256_extracti128_si256(b, 1), q);
}

static inline void edgec_store_256(int8_t *p, __m256i a, __m256i b, edgec_quant q) { edgec_store_b16(p, edgec_narrow_256(a, b, q)); }
#if EDGEC_WIDE == 512
static inline edgec_b16 edgec_narrow_512(__m512i a, edgec_quant q)
{
    const __m512i v = _mm512_max_epi32(_mm512_add_epi32(a, _mm512_set1_epi32(q.zero)), _mm512_set1_epi32(q.lo));
    return _mm512_cvtepi32_epi8(_mm512_min_epi32(v, _mm512_set1_epi32(q.hi)));
}

static inline void edgec_store_512(int8_t *p, __m512i a, edgec_quant q) { edgec_store_b16(p, edgec_narrow_512(a, q)); }

/* Sums of a pixel's bytes under way, four at a time; 128 times their total taken from every channel. */
static inline __m128i edgec_bytes_128(__m128i sum, __m128i x) { return _mm_dpbusd_epi32(sum, _mm_set1_epi8(1), x); }

static inline __m512i edgec_less_bytes(__m512i acc, __m128i sum)
{
    const __m128i pairs = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e)), all = _mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xb1));
    return _mm512_sub_epi32(acc, _mm512_broadcastd_epi32(_mm_slli_epi32(all, 7)));
}
#endif

/* Sixteen int32, one for each byte of a vector: accumulators, factors.  Weights of two taps, side by side as int16; acc[i] += w[i] * x[i],
 * acc[i] += w0[i] * x0[i] + w1[i] * x1[i]; the bytes that sums become. */
#if EDGEC_WIDE == 512
typedef __m512i edgec_acc16, edgec_tap2;

static inline edgec_acc16 edgec_acc_load(const int32_t *p) { return _mm512_loadu_si512((const void *)p); }

static inline edgec_tap2 edgec_taps(__m128i a, __m128i b)
{
    return _mm512_cvtepi8_epi16(_mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b)));
}

static inline edgec_acc16 edgec_mac2(edgec_acc16 acc, edgec_tap2 w, edgec_b16 x0, edgec_b16 x1)
{
    return _mm512_dpwssd_epi32(acc, w, edgec_taps(x0, x1));
}

{% for left in ("", "left_") %}
static inline edgec_b16 edgec_finish_{{ left }}b16(edgec_acc16 acc, edgec_acc16 m, edgec_quant q)
{
    return edgec_narrow_512(edgec_scale_{{ left }}512(acc, m, q), q);
}

{% endfor %}
#else
typedef struct {
    __m256i low, high;
} edgec_acc16;
typedef edgec_acc16 edgec_tap2;

static inline edgec_acc16 edgec_acc_load(const int32_t *p)
{
    return (edgec_acc16){_mm256_loadu_si256((const __m256i *)(const void *)p), _mm256_loadu_si256((const __m256i *)(const void *)(p + 8))};
}

static inline edgec_tap2 edgec_taps(__m128i a, __m128i b)
{
    return (edgec_tap2){_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b)), _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b))};
}

static inline edgec_acc16 edgec_mac2(edgec_acc16 acc, edgec_tap2 w, edgec_b16 x0, edgec_b16 x1)
{
    const edgec_tap2 x = edgec_taps(x0, x1);
#if defined(__AVXVNNI__)
    return (edgec_acc16){_mm256_dpwssd_avx_epi32(acc.low, w.low, x.low), _mm256_dpwssd_avx_epi32(acc.high, w.high, x.high)};
#else
    return (edgec_acc16){_mm256_add_epi32(acc.low, _mm256_madd_epi16(w.low, x.low)),
                         _mm256_add_epi32(acc.high, _mm256_madd_epi16(w.high, x.high))};
#endif
}

{% for left in ("", "left_") %}
static inline edgec_b16 edgec_finish_{{ left }}b16(edgec_acc16 acc, edgec_acc16 m, edgec_quant q)
{
    return edgec_narrow_256(edgec_scale_{{ left }}256(acc.low, m.low, q), edgec_scale_{{ left }}256(acc.high, m.high, q), q);
}

{% endfor %}
#endif
static inline edgec_tap2 edgec_tap2_load(const int8_t *w) { return edgec_taps(edgec_load_b16(w), edgec_load_b16(w + 16)); }

static inline edgec_acc16 edgec_mac1(edgec_acc16 acc, const int8_t *w, edgec_b16 x)
{
    const __m128i zero = _mm_setzero_si128();
    return edgec_mac2(acc, edgec_taps(edgec_load_b16(w), zero), x, zero);
}
#endif
