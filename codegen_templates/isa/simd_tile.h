{# A tile of the SIMD matrix kernels.  pixels, vectors: its size (a vector is 4 channels); high, wide: how much of it is held in registers at once. #}
{% set name = "edgec_tile_%dx%d" % (pixels, 4 * vectors) %}
{% macro load(p, v0) %}
{% for i in range(p[0], p[1]) %}
                    const edgec_x16 v{{ i }} = edgec_load_x16(x{{ i }});
{% endfor %}
{% endmacro %}
{% macro dots(lane, p, v) %}
                    {
{% for i in range(v[0], v[1]) %}
                        const edgec_b16 w{{ i }} = edgec_load_b16(w + {{ 16 * (lane * vectors + i) }});
{% endfor %}
{% for i in range(p[0], p[1]) %}
{% for j in range(v[0], v[1]) %}
                        a{{ i }}{{ j }} = EDGEC_DOT(a{{ i }}{{ j }}, w{{ j }}, v{{ i }}, {{ lane }});
{% endfor %}
{% endfor %}
                    }
{% endmacro %}
/* {{ pixels }} pixel{{ "s" if pixels > 1 }} by {{ 4 * vectors }} channels at a time, `blocks` times from pixel `first` on:
 * out[i][o] = requantize(bias[o] + sum over runs r and k of w[r][o][k] * x[r][i][k]). */
static EDGEC_NOINLINE void {{ name }}(const edgec_tile_t *t, int first, int blocks)
{
    const int32_t *const bias = t->stream, *const m = bias + {{ 4 * vectors }};
    int offset = first * t->x_step;
    int8_t *out = t->out + first * t->out_step;
    for (; blocks > 0; --blocks, offset += {{ pixels }} * t->x_step, out += {{ pixels }} * t->out_step) {
{% for p0 in range(0, pixels, high) %}
{% set p = (p0, [p0 + high, pixels] | min) %}
        {
{% for v0 in range(0, vectors, wide) %}
{% set v = (v0, [v0 + wide, vectors] | min) %}
{% for i in range(*p) %}
{% for j in range(*v) %}
            edgec_sum4 a{{ i }}{{ j }} = edgec_sum_start(edgec_load_i4(bias + {{ 4 * j }}));
{% endfor %}
{% endfor %}
            {
                const int8_t *w = (const int8_t *)(m + {{ 4 * vectors }});
                for (int r = 0; r < t->runs; ++r) {
                    const int8_t *x{{ p0 }} = t->x[r] + offset{{ " + %d * t->x_step" % p0 if p0 }}{% for i in range(p0 + 1, p[1]) %}, *x{{ i }} = x{{ i - 1 }} + t->x_step{% endfor %};
                    for (int k = t->sixteens; k > 0; --k, w += {{ 64 * vectors }}) {
{% for i in range(*p) %}
                    const edgec_x16 v{{ i }} = edgec_load_x16(x{{ i }});
                    x{{ i }} += 16;
{% endfor %}
{% for lane in range(4) %}
{{ dots(lane, p, v) -}}
{% endfor %}
                    }
                    if (t->fours > 0) {
{{ load(p, v0) -}}
{{ dots(0, p, v) -}}
{% for lane in (1, 2) %}
                    if (t->fours > {{ lane }})
{{ dots(lane, p, v) -}}
{% endfor %}
                    w += {{ 16 * vectors }} * t->fours;
                    }
                }
            }
{% endfor %}
{% for i in range(*p) %}
            {
{% for j in range(4) %}
                const edgec_i4 y{{ j }} = {{ "edgec_scale_i4(edgec_sum_total(a%d%d), edgec_load_i4(m + %d), t->left, t->shift)" % (i, j, 4 * j) if j < vectors else "y0" }};
{% endfor %}
                const edgec_b16 y = edgec_narrow_b16(y0, y1, y2, y3, t->zero, t->lo, t->hi);
{% if vectors == 4 %}
                if (t->outputs >= 16) {
                    edgec_store_b16(out + {{ i }} * t->out_step, y);
                } else {
                    edgec_store_first(out + {{ i }} * t->out_step, y, t->outputs);
                }
{% else %}
                edgec_store_first(out + {{ i }} * t->out_step, y, t->outputs < {{ 4 * vectors }} ? t->outputs : {{ 4 * vectors }});
{% endif %}
            }
{% endfor %}
        }
{% endfor %}
    }
}
