/* simd: the SIMD vocabulary in plain C, where none of the instruction sets above is there, and what all of them share. */
#if !defined(EDGEC_SIMD)
#define EDGEC_SIMD "plain"
#define EDGEC_APART ((void)0)
#define EDGEC_PIXEL_BY_PIXEL /* vectors spelt out: tiles of more pixels would only be long */

typedef struct {
    int8_t v[16];
} edgec_b16;
typedef struct {
    int32_t v[4];
} edgec_i4;
typedef edgec_i4 edgec_sum4;
typedef edgec_b16 edgec_w16;
typedef struct {
    int8_t v[4];
} edgec_x4;
typedef struct {
    edgec_i4 v[4];
} edgec_acc16;
typedef struct {
    edgec_b16 w0, w1;
} edgec_tap2;

static inline edgec_b16 edgec_load_b16(const int8_t *p)
{
    edgec_b16 v;
    memcpy(v.v, p, sizeof v.v);
    return v;
}

static inline edgec_i4 edgec_load_i4(const int32_t *p)
{
    edgec_i4 v;
    memcpy(v.v, p, sizeof v.v);
    return v;
}

static inline edgec_sum4 edgec_sum_start(edgec_i4 from) { return from; }
static inline edgec_i4 edgec_sum_total(edgec_sum4 sum) { return sum; }

static inline edgec_x4 edgec_load_x4(const int8_t *p)
{
    edgec_x4 v;
    memcpy(v.v, p, sizeof v.v);
    return v;
}

static inline edgec_w16 edgec_load_w16(const int8_t *p) { return edgec_load_b16(p); }

static inline edgec_sum4 edgec_dot(edgec_sum4 sum, edgec_w16 w, edgec_x4 x)
{
    for (int i = 0; i < 16; ++i) {
        sum.v[i / 4] += w.v[i] * x.v[i % 4];
    }
    return sum;
}

typedef struct {
    float v[4];
} edgec_f4;

static inline edgec_f4 edgec_load_f4(const float *p) { return (edgec_f4){{ '{{' }}p[0], p[1], p[2], p[3]{{ '}}' }}; }
static inline void edgec_store_f4(float *p, edgec_f4 v) { memcpy(p, v.v, sizeof v.v); }
static inline edgec_f4 edgec_splat_f4(float x) { return (edgec_f4){{ '{{' }}x, x, x, x{{ '}}' }}; }
static inline edgec_f4 edgec_load_splat_f4(const float *p) { return edgec_splat_f4(*p); }

static inline edgec_f4 edgec_fma_f4(edgec_f4 a, edgec_f4 w, edgec_f4 x)
{
    for (int i = 0; i < 4; ++i) {
        a.v[i] += w.v[i] * x.v[i];
    }
    return a;
}

static inline edgec_f4 edgec_clamp_f4(edgec_f4 v, edgec_f4 lo, edgec_f4 hi)
{
    for (int i = 0; i < 4; ++i) {
        v.v[i] = v.v[i] < lo.v[i] ? lo.v[i] : v.v[i] > hi.v[i] ? hi.v[i] : v.v[i];
    }
    return v;
}

typedef struct {
    int32_t left, shift, zero, lo, hi;
} edgec_quant;

static inline edgec_quant edgec_quant_of(int32_t left, int32_t shift, int32_t z, int32_t lo, int32_t hi)
{
    return (edgec_quant){left, -shift, z, lo, hi};
}

static inline edgec_i4 edgec_scale_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q)
{
    for (int i = 0; i < 4; ++i) {
        acc.v[i] = ((int32_t)((int64_t)acc.v[i] * m.v[i] >> 31) + (1 << (q.shift - 1))) >> q.shift;
    }
    return acc;
}

static inline edgec_i4 edgec_scale_left_i4(edgec_i4 acc, edgec_i4 m, edgec_quant q)
{
    for (int i = 0; i < 4; ++i) {
        acc.v[i] = edgec_left(acc.v[i], q.left);
    }
    return edgec_scale_i4(acc, m, q);
}

static inline edgec_b16 edgec_narrow_b16(edgec_i4 a, edgec_i4 b, edgec_i4 c, edgec_i4 d, edgec_quant q)
{
    const edgec_i4 *const from[4] = {&a, &b, &c, &d};
    edgec_b16 y;
    for (int i = 0; i < 16; ++i) {
        const int64_t v = (int64_t)from[i / 4]->v[i % 4] + q.zero;
        y.v[i] = (int8_t)(v < q.lo ? q.lo : v > q.hi ? q.hi : v);
    }
    return y;
}

static inline void edgec_store_b16(int8_t *p, edgec_b16 v) { memcpy(p, v.v, sizeof v.v); }

static inline edgec_acc16 edgec_acc_load(const int32_t *p)
{
    edgec_acc16 acc;
    memcpy(acc.v, p, sizeof acc.v);
    return acc;
}

static inline edgec_tap2 edgec_tap2_load(const int8_t *w) { return (edgec_tap2){edgec_load_b16(w), edgec_load_b16(w + 16)}; }

static inline edgec_acc16 edgec_mac1(edgec_acc16 acc, const int8_t *w, edgec_b16 x)
{
    for (int i = 0; i < 16; ++i) {
        acc.v[i / 4].v[i % 4] += w[i] * x.v[i];
    }
    return acc;
}

static inline edgec_acc16 edgec_mac2(edgec_acc16 acc, edgec_tap2 w, edgec_b16 x0, edgec_b16 x1)
{
    return edgec_mac1(edgec_mac1(acc, w.w0.v, x0), w.w1.v, x1);
}
#endif

static inline void edgec_store_first_f4(float *p, edgec_f4 v, int count)
{
    float all[4];
    edgec_store_f4(all, v);
    for (int i = 0; i < count && i < 4; ++i) {
        p[i] = all[i];
    }
}

/* The first `count` bytes. */
static inline void edgec_store_first(int8_t *p, edgec_b16 v, int count)
{
    int8_t all[16];
    edgec_store_b16(all, v);
    memcpy(p, all, (size_t)count);
}

/* The bytes that sixteen sums become, with a factor each; x86 has wider ones. */
#if !defined(EDGEC_WIDE)
{% for left in ("", "left_") %}
static inline edgec_b16 edgec_finish_{{ left }}b16(edgec_acc16 acc, edgec_acc16 m, edgec_quant q)
{
    const edgec_i4 y0 = edgec_scale_{{ left }}i4(acc.v[0], m.v[0], q), y1 = edgec_scale_{{ left }}i4(acc.v[1], m.v[1], q);
    const edgec_i4 y2 = edgec_scale_{{ left }}i4(acc.v[2], m.v[2], q), y3 = edgec_scale_{{ left }}i4(acc.v[3], m.v[3], q);
    return edgec_narrow_b16(y0, y1, y2, y3, q);
}

{% endfor %}
#endif

/* Depthwise windows by columns of four rows: where the instruction set has dot products. */
#if !defined(EDGEC_COLUMNS)
#define EDGEC_COLUMNS 0
#endif
