/* simd_halves: eight int16 in a vector, modulo 2^16, and sums of their products, int32 modulo 2^32.
 * Vectors: edgec_h8, 8 int16; edgec_i4, 4 int32. */
#if defined(__wasm_simd128__)
typedef v128_t edgec_h8;

static inline edgec_h8 edgec_widen_h8(const int8_t *p) { return wasm_i16x8_load8x8(p); }
static inline edgec_h8 edgec_load_h8(const int16_t *p) { return wasm_v128_load(p); }
static inline edgec_h8 edgec_load_pairs(const int16_t *p) { return wasm_v128_load32_splat(p); }
static inline void edgec_store_h8(int16_t *p, edgec_h8 v) { wasm_v128_store(p, v); }
static inline edgec_h8 edgec_add_h8(edgec_h8 a, edgec_h8 b) { return wasm_i16x8_add(a, b); }
static inline edgec_h8 edgec_sub_h8(edgec_h8 a, edgec_h8 b) { return wasm_i16x8_sub(a, b); }
static inline edgec_h8 edgec_mul_h8(edgec_h8 a, int16_t b) { return wasm_i16x8_mul(a, wasm_i16x8_splat(b)); }

static inline edgec_i4 edgec_zero_i4(void) { return wasm_i32x4_const_splat(0); }
static inline void edgec_store_i4(int32_t *p, edgec_i4 v) { wasm_v128_store(p, v); }
static inline edgec_i4 edgec_add_i4(edgec_i4 a, edgec_i4 b) { return wasm_i32x4_add(a, b); }
static inline edgec_i4 edgec_sub_i4(edgec_i4 a, edgec_i4 b) { return wasm_i32x4_sub(a, b); }
static inline edgec_i4 edgec_shl_i4(edgec_i4 a, int n) { return wasm_i32x4_shl(a, (uint32_t)n); }

/* sum[j] + a[2*j] * b[2*j] + a[2*j + 1] * b[2*j + 1]. */
static inline edgec_i4 edgec_dot_h8(edgec_i4 sum, edgec_h8 a, edgec_h8 b) { return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(a, b)); }

/* floor((acc * m2 / 2^32 + 2^(n-1)) / 2^n): edgec_scale_i4 for factors that fit int32 doubled. */
static inline edgec_i4 edgec_scale_doubled_i4(edgec_i4 acc, edgec_i4 m2, edgec_quant q)
{
    const v128_t high = wasm_i32x4_shuffle(wasm_i64x2_extmul_low_i32x4(acc, m2), wasm_i64x2_extmul_high_i32x4(acc, m2), 1, 3, 5, 7);
    return wasm_i32x4_shr(wasm_i32x4_add(high, q.half), (uint32_t)q.shift);
}

/* The first `count` fours of bytes, `step` bytes apart. */
static inline void edgec_store_fours(int8_t *p, int step, edgec_b16 v, int count)
{
    wasm_v128_store32_lane(p, v, 0);
    if (count > 1) {
        wasm_v128_store32_lane(p + step, v, 1);
    }
    if (count > 2) {
        wasm_v128_store32_lane(p + 2 * step, v, 2);
    }
    if (count > 3) {
        wasm_v128_store32_lane(p + 3 * step, v, 3);
    }
}
#else
typedef struct {
    uint16_t v[8];
} edgec_h8;

static inline edgec_h8 edgec_load_h8(const int16_t *p)
{
    edgec_h8 v;
    memcpy(v.v, p, sizeof v.v);
    return v;
}

static inline edgec_h8 edgec_widen_h8(const int8_t *p)
{
    edgec_h8 v;
    for (int i = 0; i < 8; ++i) {
        v.v[i] = (uint16_t)p[i];
    }
    return v;
}

static inline edgec_h8 edgec_load_pairs(const int16_t *p)
{
    edgec_h8 v;
    for (int i = 0; i < 8; ++i) {
        v.v[i] = (uint16_t)p[i % 2];
    }
    return v;
}

static inline void edgec_store_h8(int16_t *p, edgec_h8 v) { memcpy(p, v.v, sizeof v.v); }
static inline void edgec_store_i4(int32_t *p, edgec_i4 v) { memcpy(p, v.v, sizeof v.v); }
static inline edgec_i4 edgec_zero_i4(void) { return (edgec_i4){{ '{{' }}0, 0, 0, 0{{ '}}' }}; }

{% for name, op in (("add", "+"), ("sub", "-")) %}
static inline edgec_h8 edgec_{{ name }}_h8(edgec_h8 a, edgec_h8 b)
{
    for (int i = 0; i < 8; ++i) {
        a.v[i] = (uint16_t)(a.v[i] {{ op }} b.v[i]);
    }
    return a;
}

static inline edgec_i4 edgec_{{ name }}_i4(edgec_i4 a, edgec_i4 b)
{
    for (int i = 0; i < 4; ++i) {
        a.v[i] = edgec_i32((uint32_t)a.v[i] {{ op }} (uint32_t)b.v[i]);
    }
    return a;
}

{% endfor %}
static inline edgec_h8 edgec_mul_h8(edgec_h8 a, int16_t b)
{
    for (int i = 0; i < 8; ++i) {
        a.v[i] = (uint16_t)((uint32_t)a.v[i] * (uint32_t)b);
    }
    return a;
}

static inline edgec_i4 edgec_shl_i4(edgec_i4 a, int n)
{
    for (int i = 0; i < 4; ++i) {
        a.v[i] = edgec_left(a.v[i], n);
    }
    return a;
}

static inline edgec_i4 edgec_dot_h8(edgec_i4 sum, edgec_h8 a, edgec_h8 b)
{
    for (int i = 0; i < 8; ++i) {
        sum.v[i / 2] = edgec_add_wrap(sum.v[i / 2], (int16_t)a.v[i] * (int16_t)b.v[i]);
    }
    return sum;
}

static inline edgec_i4 edgec_scale_doubled_i4(edgec_i4 acc, edgec_i4 m2, edgec_quant q)
{
    for (int i = 0; i < 4; ++i) {
        acc.v[i] = ((int32_t)((int64_t)acc.v[i] * m2.v[i] >> 32) + (1 << (q.shift - 1))) >> q.shift;
    }
    return acc;
}

static inline void edgec_store_fours(int8_t *p, int step, edgec_b16 v, int count)
{
    for (int i = 0; i < count; ++i) {
        memcpy(p + i * step, v.v + 4 * i, 4);
    }
}
#endif
