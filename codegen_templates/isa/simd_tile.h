{% import "isa/simd_tile_wide.h" as wide with context %}
{% import "isa/simd_tile_pairs.h" as pairs with context %}
{# A tile of the SIMD matrix kernels.  pixels, vectors: its size (a vector is 4 channels); left: accumulators are shifted up; cut: the last channels
   are not there.  Its inner loop has three forms:
   lanes: sixteen bytes of each pixel are loaded, four of them are a lane of the dot product;
   pairs: the same, two pixels at a time with matrix products;
   fours: four bytes of each pixel are loaded into every lane: for few registers, and engines that keep to the order of the sums. #}
{% set name = "edgec_tile_%dx%d%s%s" % (pixels, 4 * vectors, "l" if left else "", "c" if cut else "") %}
{% macro dots(form, lane, p, v) %}
{% set weights = "w16" if form == "fours" else "b16" %}
                    {
{% for i in range(v[0], v[1]) %}
                        const edgec_{{ weights }} w{{ i }} = edgec_load_{{ weights }}(w + {{ 16 * (lane * vectors + i) }});
{% endfor %}
{% for i in range(p[0], p[1]) %}
{% for j in range(v[0], v[1]) %}
                        a{{ i }}{{ j }} = {{ "edgec_dot(a%d%d, w%d, v%d)" % (i, j, j, i) if form == "fours" else "EDGEC_DOT(a%d%d, w%d, v%d, %d)" % (i, j, j, i, lane) }};
{% endfor %}
{% endfor %}
                        EDGEC_APART;
                    }
{% endmacro %}
{% macro repeated() %}
static inline void {{ name }}(const edgec_tile_t *t, int first, int blocks)
{
    {{ name | replace("%dx" % pixels, "1x", 1) }}(t, first, {{ pixels }} * blocks);
}
{% endmacro %}
{# One run of all pixels: whole sixteens of bytes, then the fours behind them. #}
{% macro sixteens(form, p, v) %}
                    for (int k = t->whole; k > 0; --k, w += {{ 64 * vectors }}) {
{% for i in range(*p) %}
                    const edgec_x16 v{{ i }} = edgec_load_x16(x{{ i }});
                    x{{ i }} += 16;
{% endfor %}
{% if form == "pairs" %}
{{ pairs.products(0, "low", false, p, v) -}}
{{ pairs.products(2, "high", false, p, v) -}}
{% else %}
{% for lane in range(4) %}
{{ dots(form, lane, p, v) -}}
{% endfor %}
{% endif %}
                    }
                    if (t->rest > 0) {
{% for i in range(*p) %}
                    const edgec_x16 v{{ i }} = edgec_load_x16(x{{ i }});
{% endfor %}
{% if form == "pairs" %}
                    if (t->rest > 1)
{{ pairs.products(0, "low", false, p, v) -}}
                    else
{{ pairs.products(0, "low", true, p, v) -}}
                    if (t->rest > 2)
{{ pairs.products(2, "high", true, p, v) -}}
{% else %}
{{ dots(form, 0, p, v) -}}
{% for lane in (1, 2) %}
                    if (t->rest > {{ lane }})
{{ dots(form, lane, p, v) -}}
{% endfor %}
{% endif %}
                    w += {{ 16 * vectors }} * t->rest;
                    }
{% endmacro %}
{% macro fours(p, v) %}
                    for (int k = 4 * t->whole + t->rest; k > 0; --k, w += {{ 16 * vectors }}) {
{% for i in range(*p) %}
                    const edgec_x4 v{{ i }} = edgec_load_x4(x{{ i }});
                    x{{ i }} += 4;
{% endfor %}
{{ dots("fours", 0, p, v) -}}
                    }
{% endmacro %}
{% macro tile(form) %}
{% set high, wide = (2, 2 if pixels > 1 else 4) if form == "fours" else (4, 4) %}
/* {{ pixels }} pixel{{ "s" if pixels > 1 }} by {{ 4 * vectors }} channels at a time, `blocks` times from pixel `first` on:
 * out[i][o] = requantize(bias[o] + sum over runs r and k of w[r][o][k] * x[r][i][k]). */
static EDGEC_NOINLINE void {{ name }}(const edgec_tile_t *t, int first, int blocks)
{
    const int32_t *const bias = t->stream, *const m = bias + {{ 4 * vectors }};
    const edgec_quant q = edgec_quant_of(t->left, t->shift, t->zero, t->lo, t->hi);
    int offset = first * t->x_step;
    int8_t *out = t->out + first * t->out_step;
    for (; blocks > 0; --blocks, offset += {{ pixels }} * t->x_step, out += {{ pixels }} * t->out_step) {
{% for p0 in range(0, pixels, high) %}
{% set p = (p0, [p0 + high, pixels] | min) %}
        {
{% for v0 in range(0, vectors, wide) %}
{% set v = (v0, [v0 + wide, vectors] | min) %}
{% if form == "pairs" %}
{{ pairs.start(p, v) -}}
{% else %}
{% for i in range(*p) %}
{% for j in range(*v) %}
            edgec_sum4 a{{ i }}{{ j }} = edgec_sum_start(edgec_load_i4(bias + {{ 4 * j }}));
{% endfor %}
{% endfor %}
{% endif %}
            {
                const int8_t *w = (const int8_t *)(m + {{ 4 * vectors }});
                for (int r = 0; r < t->runs; ++r) {
                    const int8_t *x{{ p0 }} = t->x[r] + offset{{ " + %d * t->x_step" % p0 if p0 }}{% for i in range(p0 + 1, p[1]) %}, *x{{ i }} = x{{ i - 1 }} + t->x_step{% endfor %};
{{ fours(p, v) if form == "fours" else sixteens(form, p, v) -}}
                }
            }
{% endfor %}
{% for j in range(vectors) %}
            const edgec_i4 m{{ j }} = edgec_load_i4(m + {{ 4 * j }});
{% endfor %}
{% for i in range(*p) %}
            {
{% for j in range(4) %}
                const edgec_i4 y{{ j }} = {{ "edgec_scale_%si4(%s, m%d, q)" % ("left_" if left else "", pairs.total(i, j) if form == "pairs" else "edgec_sum_total(a%d%d)" % (i, j), j) if j < vectors else "y0" }};
{% endfor %}
{% if vectors == 4 and not cut %}
                edgec_store_b16(out + {{ i }} * t->out_step, edgec_narrow_b16(y0, y1, y2, y3, q));
{% else %}
                edgec_store_first(out + {{ i }} * t->out_step, edgec_narrow_b16(y0, y1, y2, y3, q), {{ "t->outputs" if cut else 4 * vectors }});
{% endif %}
            }
{% endfor %}
        }
{% endfor %}
    }
}
{% endmacro %}
{# A module is loaded over the network: what is seldom run goes pixel by pixel there, and everywhere what would only be long. #}
{% set has_wide = "x86" in features and vectors == 4 and not cut %}
{% if has_wide %}
#if defined(EDGEC_WIDE) && EDGEC_WIDE == 512
{{ wide.tile(name, 512, left) -}}
#elif defined(EDGEC_WIDE)
{{ wide.tile(name, 256, left) -}}
#else
{% endif %}
{% if "neon" in features %}
{% if pixels > 1 %}
#if defined(EDGEC_PAIRS)
{{ tile("pairs") -}}
#elif defined(EDGEC_DOT)
{% else %}
#if defined(EDGEC_DOT)
{% endif %}
{{ tile("lanes") -}}
#else
{% endif %}
{% if pixels == 1 %}
{{ tile("fours") -}}
{% elif cut and "simd128" in features %}
{{ repeated() -}}
{% else %}
#if defined(EDGEC_PIXEL_BY_PIXEL)
{{ repeated() -}}
#else
{{ tile("fours") -}}
#endif
{% endif %}
{% if "neon" in features %}
#endif
{% endif %}
{% if has_wide %}
#endif
{% endif %}
