{% import "isa/simd_tile_wide.h" as wide with context %}
{# A tile of the float matrix kernels.  pixels, vectors: its size (a vector is 4 channels); cut: the last channels are not there.
   Its inner loop has two forms: lanes, four elements of each pixel are loaded, one is a lane of the product; elements, one at a time,
   for few registers, and engines that keep to the order of the sums. #}
{% set name = "edgec_tile_f32_%dx%d%s" % (pixels, 4 * vectors, "c" if cut else "") %}
{% macro products(form, lane, p, v) %}
                        {
{% for i in range(v[0], v[1]) %}
                            const edgec_f4 w{{ i }} = edgec_load_f4(w + {{ 4 * (lane * vectors + i) }});
{% endfor %}
{% for i in range(p[0], p[1]) %}
{% for j in range(v[0], v[1]) %}
                            a{{ i }}{{ j }} = {{ "edgec_fma_f4(a%d%d, w%d, v%d)" % (i, j, j, i) if form == "elements" else "EDGEC_FMA_LANE(a%d%d, w%d, v%d, %d)" % (i, j, j, i, lane) }};
{% endfor %}
{% endfor %}
                            EDGEC_APART;
                        }
{% endmacro %}
{% macro tile(form) %}
{% set high, wide = (4, 2 if form == "elements" and pixels > 1 else 4) %}
/* {{ pixels }} pixel{{ "s" if pixels > 1 }} by {{ 4 * vectors }} channels at a time, `blocks` times from pixel `first` on:
 * out[i][o] = clamp(bias[o] + sum over runs r and k of w[r][k][o] * x[r][i][k]). */
static EDGEC_NOINLINE void {{ name }}(const edgec_tile_f32_t *t, int first, int blocks)
{
    const edgec_f4 lo = edgec_splat_f4(t->lo), hi = edgec_splat_f4(t->hi);
    int offset = first * t->x_step;
    float *out = t->out + first * t->out_step;
    for (; blocks > 0; --blocks, offset += {{ pixels }} * t->x_step, out += {{ pixels }} * t->out_step) {
{% for p0 in range(0, pixels, high) %}
{% for v0 in range(0, vectors, wide) %}
{% set p = (p0, [p0 + high, pixels] | min) %}
{% set v = (v0, [v0 + wide, vectors] | min) %}
        {
{% for i in range(*p) %}
{% for j in range(*v) %}
            edgec_f4 a{{ i }}{{ j }} = edgec_load_f4(t->stream + {{ 4 * j }});
{% endfor %}
{% endfor %}
            const float *w = t->stream + {{ 4 * vectors }};
            for (int r = 0; r < t->runs; ++r) {
                const float *x{{ p0 }} = t->x[r] + offset{{ " + %d * t->x_step" % p0 if p0 }}{% for i in range(p0 + 1, p[1]) %}, *x{{ i }} = x{{ i - 1 }} + t->x_step{% endfor %};
{% if form == "elements" %}
                for (int k = 4 * t->fours + t->rest; k > 0; --k, w += {{ 4 * vectors }}) {
{% for i in range(*p) %}
                    const edgec_f4 v{{ i }} = edgec_load_splat_f4(x{{ i }});
                    ++x{{ i }};
{% endfor %}
{{ products(form, 0, p, v) -}}
                }
{% else %}
                for (int k = t->fours; k > 0; --k, w += {{ 16 * vectors }}) {
{% for i in range(*p) %}
                    const edgec_f4 v{{ i }} = edgec_load_f4(x{{ i }});
                    x{{ i }} += 4;
{% endfor %}
{% for lane in range(4) %}
{{ products(form, lane, p, v) -}}
{% endfor %}
                }
                if (t->rest > 0) {
{% for i in range(*p) %}
                    const edgec_f4 v{{ i }} = edgec_load_f4(x{{ i }});
{% endfor %}
{{ products(form, 0, p, v) -}}
{% for lane in (1, 2) %}
                    if (t->rest > {{ lane }})
{{ products(form, lane, p, v) -}}
{% endfor %}
                    w += {{ 4 * vectors }} * t->rest;
                }
{% endif %}
            }
{% for i in range(*p) %}
{% for j in range(*v) %}
{% if cut and j == vectors - 1 %}
            edgec_store_first_f4(out + {{ i }} * t->out_step + {{ 4 * j }}, edgec_clamp_f4(a{{ i }}{{ j }}, lo, hi), t->outputs - {{ 4 * j }});
{% else %}
            edgec_store_f4(out + {{ i }} * t->out_step + {{ 4 * j }}, edgec_clamp_f4(a{{ i }}{{ j }}, lo, hi));
{% endif %}
{% endfor %}
{% endfor %}
        }
{% endfor %}
{% endfor %}
    }
}
{% endmacro %}
{% set has_wide = "x86" in features and vectors == 4 and not cut %}
{% if has_wide %}
#if defined(EDGEC_WIDE) && EDGEC_WIDE == 512
{{ wide.tile_f32(name, 512) -}}
#elif defined(EDGEC_WIDE)
{{ wide.tile_f32(name, 256) -}}
#else
{% endif %}
{% if "neon" in features %}
#if defined(EDGEC_FMA_LANE)
{{ tile("lanes") -}}
#else
{% endif %}
{{ tile("elements") -}}
{% if "neon" in features %}
#endif
{% endif %}
{% if has_wide %}
#endif
{% endif %}
