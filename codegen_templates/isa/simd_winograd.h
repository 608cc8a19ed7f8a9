/* simd_winograd: exact-integer Winograd F(4x4, 3x3), eight channels in a vector.  A tile of 4x4 outputs is made from 36 points: transformed
 * inputs (at most 100 * 128) times transformed weights (at most 144 * 128), summed over the channels and transformed back.  All modulo 2^32;
 * what comes out is 576 times the convolution.
 * Source: Lavin and Gray 2015, with the filter transform scaled to integers. */

/* A line of six inputs, `step` vectors apart, becomes its product with the input matrix. */
static inline void edgec_winograd_line(edgec_h8 *d, int step)
{
    const edgec_h8 d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const edgec_h8 c = edgec_sub_h8(d4, d2), e = edgec_sub_h8(d3, d1), twice = edgec_add_h8(e, e);
    const edgec_h8 a = edgec_sub_h8(d4, edgec_mul_h8(d2, 4)), b = edgec_sub_h8(d3, edgec_mul_h8(d1, 4));
    d[0] = edgec_add_h8(c, edgec_mul_h8(edgec_sub_h8(d0, d2), 4));
    d[step] = edgec_add_h8(a, b);
    d[2 * step] = edgec_sub_h8(a, b);
    d[3 * step] = edgec_add_h8(c, twice);
    d[4 * step] = edgec_sub_h8(c, twice);
    d[5 * step] = edgec_sub_h8(edgec_sub_h8(d5, d3), edgec_add_h8(twice, twice));
}

/* The inputs of a tile -> v[36 points, `apart` elements from one to the next][channels, in eights].  x: six lines of `pitch` bytes; the last
 * eight channels may be some of the next pixel's, too, which count nothing: their weights are zero. */
static inline void edgec_winograd_input(const int8_t *x, int pitch, int channels, int16_t *v, int apart)
{
    for (int c = 0; c < channels; c += 8) {
        edgec_h8 d[36];
        for (int i = 0; i < 6; ++i) {
            for (int j = 0; j < 6; ++j) {
                d[6 * i + j] = edgec_widen_h8(x + i * pitch + j * channels + c);
            }
            edgec_winograd_line(d + 6 * i, 1);
        }
        for (int j = 0; j < 6; ++j) {
            edgec_winograd_line(d + j, 6);
            for (int i = 0; i < 6; ++i) {
                edgec_store_h8(v + (6 * i + j) * apart + c, d[6 * i + j]);
            }
        }
    }
}

/* A line of three weights, `step` vectors apart -> six: the product with the filter matrix. */
static inline void edgec_winograd_filter(const edgec_h8 *w, int step, edgec_h8 *u)
{
    const edgec_h8 ends = edgec_add_h8(w[0], w[2 * step]);
    const edgec_h8 even = edgec_add_h8(w[0], edgec_mul_h8(w[2 * step], 4)), odd = edgec_add_h8(w[step], w[step]);
    u[0] = edgec_mul_h8(w[0], 6);
    u[1] = edgec_mul_h8(edgec_add_h8(ends, w[step]), -4);
    u[2] = edgec_mul_h8(edgec_sub_h8(ends, w[step]), -4);
    u[3] = edgec_add_h8(even, odd);
    u[4] = edgec_sub_h8(even, odd);
    u[5] = edgec_mul_h8(w[2 * step], 12);
}

/* The weights of eight outputs -> u[36 points, `apart` elements from one to the next][pairs][8 outputs][2 channels].
 * w: [pairs][2][9 taps][4 outputs][2 channels]. */
static inline void edgec_winograd_weights(const int8_t *w, int pairs, int16_t *u, int apart)
{
    for (int k = 0; k < 2 * pairs; ++k, w += 72, u += 8) {
        edgec_h8 taps[9], half[18], line[6];
        for (int i = 0; i < 9; ++i) {
            taps[i] = edgec_widen_h8(w + 8 * i);
        }
        for (int i = 0; i < 3; ++i) {
            edgec_winograd_filter(taps + 3 * i, 1, half + 6 * i);
        }
        for (int j = 0; j < 6; ++j) {
            edgec_winograd_filter(half + j, 6, line);
            for (int i = 0; i < 6; ++i) {
                edgec_store_h8(u + (6 * i + j) * apart, line[i]);
            }
        }
    }
}

/* The products of four tiles with eight outputs: m[36 points][4 tiles][8 outputs] = sum over the channel pairs. */
static inline void edgec_winograd_products(const int16_t *v, int v_apart, const int16_t *u, int u_apart, int pairs, int32_t *m)
{
    for (int point = 0; point < 36; ++point, v += v_apart, u += u_apart, m += 32) {
{% for i in range(4) %}
        const int16_t *x{{ i }} = v + {{ 2 * i }} * pairs;
        edgec_i4 a{{ i }} = edgec_zero_i4(), b{{ i }} = a{{ i }};
{% endfor %}
        const int16_t *w = u;
        for (int k = pairs; k > 0; --k, w += 16) {
            const edgec_h8 wa = edgec_load_h8(w), wb = edgec_load_h8(w + 8);
{% for i in range(4) %}
            const edgec_h8 v{{ i }} = edgec_load_pairs(x{{ i }});
            a{{ i }} = edgec_dot_h8(a{{ i }}, wa, v{{ i }});
            b{{ i }} = edgec_dot_h8(b{{ i }}, wb, v{{ i }});
            x{{ i }} += 2;
{% endfor %}
        }
{% for i in range(4) %}
        edgec_store_i4(m + {{ 8 * i }}, a{{ i }});
        edgec_store_i4(m + {{ 8 * i + 4 }}, b{{ i }});
{% endfor %}
    }
}

/* A line of six points -> four outputs, `step` vectors apart. */
static inline void edgec_winograd_sum(const edgec_i4 *m, edgec_i4 *y, int step)
{
    const edgec_i4 p = edgec_add_i4(m[1], m[2]), q = edgec_sub_i4(m[1], m[2]);
    const edgec_i4 r = edgec_add_i4(m[3], m[4]), s = edgec_sub_i4(m[3], m[4]);
    y[0] = edgec_add_i4(edgec_add_i4(m[0], p), r);
    y[step] = edgec_add_i4(q, edgec_shl_i4(s, 1));
    y[2 * step] = edgec_add_i4(p, edgec_shl_i4(r, 2));
    y[3 * step] = edgec_add_i4(edgec_add_i4(q, edgec_shl_i4(s, 3)), edgec_shl_i4(m[5], 1));
}

/* The products of a tile with four outputs (36 vectors, 32 words apart) -> `high` by `wide` pixels of four int8, `step` bytes apart, rows `pitch`. */
static inline void edgec_winograd_output(const int32_t *m, edgec_i4 bias, edgec_i4 m2, edgec_quant q, int8_t *out, int step, int pitch, int high,
                                         int wide)
{
    edgec_i4 half[24];
    for (int j = 0; j < 6; ++j) {
        edgec_i4 line[6];
        for (int i = 0; i < 6; ++i) {
            line[i] = edgec_load_i4(m + 32 * (6 * i + j));
        }
        if (j == 1) { /* the one point that is in every sum, once */
            line[1] = edgec_add_i4(line[1], bias);
        }
        edgec_winograd_sum(line, half + j, 6);
    }
    for (int i = 0; i < high; ++i, out += pitch) {
        edgec_i4 y[4];
        edgec_winograd_sum(half + 6 * i, y, 1);
        for (int j = 0; j < 4; ++j) {
            y[j] = edgec_scale_doubled_i4(y[j], m2, q);
        }
        edgec_store_fours(out, step, edgec_narrow_b16(y[0], y[1], y[2], y[3], q), wide);
    }
}
