{# A tile of the SIMD matrix kernels.  pixels, vectors: its size (a vector is 4 channels); left: accumulators are shifted up. #}
{% set name = "edgec_tile_%dx%d" % (pixels, 4 * vectors) %}
{% macro dots(lane) %}
            {
{% for v in range(vectors) %}
                const edgec_b16 w{{ v }} = edgec_load_b16(w + {{ 16 * (lane * vectors + v) }});
{% endfor %}
{% for p in range(pixels) %}
{% for v in range(vectors) %}
                a{{ p }}{{ v }} = EDGEC_DOT(a{{ p }}{{ v }}, w{{ v }}, v{{ p }}, {{ lane }});
{% endfor %}
{% endfor %}
            }
{% endmacro %}
/* {{ pixels }} pixel{{ "s" if pixels > 1 }} by {{ 4 * vectors }} channels at a time, t->blocks times: out[i][o] = requantize(bias[o] + sum over runs r and k of w[r][o][k] * x[r][i][k]). */
static EDGEC_NOINLINE void {{ name }}(const edgec_tile_t *t, int first, int blocks)
{
    const int32_t *const bias = t->stream, *const m = bias + {{ 4 * vectors }};
    int offset = first * t->x_step;
    int8_t *out = t->out + first * t->out_step;
    for (; blocks > 0; --blocks, offset += {{ pixels }} * t->x_step, out += {{ pixels }} * t->out_step) {
        const int8_t *w = (const int8_t *)(m + {{ 4 * vectors }});
{% for v in range(vectors) %}
        edgec_i4 a0{{ v }} = edgec_load_i4(bias + {{ 4 * v }}){% for p in range(1, pixels) %}, a{{ p }}{{ v }} = a0{{ v }}{% endfor %};
{% endfor %}
        for (int r = 0; r < t->runs; ++r) {
            const int8_t *x0 = t->x[r] + offset{% for p in range(1, pixels) %}, *x{{ p }} = x{{ p - 1 }} + t->x_step{% endfor %};
            for (int k = t->sixteens; k > 0; --k, w += {{ 64 * vectors }}) {
{% for p in range(pixels) %}
                const edgec_b16 v{{ p }} = edgec_load_b16(x{{ p }});
                x{{ p }} += 16;
{% endfor %}
{% for lane in range(4) %}
{{ dots(lane) | indent(4, first=true) -}}
{% endfor %}
            }
            if (t->fours > 0) {
{% for p in range(pixels) %}
                const edgec_b16 v{{ p }} = edgec_load_b16(x{{ p }});
{% endfor %}
{{ dots(0) | indent(4, first=true) -}}
{% for lane in (1, 2) %}
                if (t->fours > {{ lane }})
{{ dots(lane) | indent(4, first=true) -}}
{% endfor %}
                w += {{ 16 * vectors }} * t->fours;
            }
        }
{% for v in range(vectors) %}
        const edgec_i4 m{{ v }} = edgec_load_i4(m + {{ 4 * v }});
{% endfor %}
{% for p in range(pixels) %}
        {
{% for v in range(4) %}
            const edgec_i4 y{{ v }} = {{ "edgec_scale_i4(a%d%d, m%d, t->left, t->shift)" % (p, v, v) if v < vectors else "y0" }};
{% endfor %}
            const edgec_b16 y = edgec_narrow_b16(y0, y1, y2, y3, t->zero, t->lo, t->hi);
{% if vectors == 4 %}
            if (t->outputs >= 16) {
                edgec_store_b16(out + {{ p }} * t->out_step, y);
            } else {
                edgec_store_first(out + {{ p }} * t->out_step, y, t->outputs);
            }
{% else %}
            edgec_store_first(out + {{ p }} * t->out_step, y, t->outputs < {{ 4 * vectors }} ? t->outputs : {{ 4 * vectors }});
{% endif %}
        }
{% endfor %}
    }
}
