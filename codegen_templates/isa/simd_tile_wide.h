{# Tiles of sixteen channels in vectors of 256 or 512 bits (x86-64), for the stream of weights that the other forms take too. #}
{% macro pointers(T, count) %}
const {{ T }} *x0 = t->x[r] + offset{% for i in range(1, count) %}, *x{{ i }} = x{{ i - 1 }} + t->x_step{% endfor %};
{%- endmacro %}
{# 256 bits: two vectors of eight channels; x with its sign given to the weights (see edgec_dot_256). #}
{% macro block256(count, left) %}
        {
{% for i in range(count) %}
            __m256i a{{ i }} = _mm256_loadu_si256((const __m256i *)(const void *)bias), b{{ i }} = _mm256_loadu_si256((const __m256i *)(const void *)(bias + 8));
{% endfor %}
            const int8_t *w = (const int8_t *)(m + 16);
            for (int r = 0; r < t->runs; ++r) {
                {{ pointers("int8_t", count) }}
                for (int k = 4 * t->whole + t->rest; k > 0; --k, w += 64) {
                    const __m256i w0 = _mm256_loadu_si256((const __m256i *)(const void *)w), w1 = _mm256_loadu_si256((const __m256i *)(const void *)(w + 32));
{% for i in range(count) %}
                    {
                        const __m256i x = _mm256_set1_epi32(edgec_load_32(x{{ i }})), size = _mm256_abs_epi8(x);
                        a{{ i }} = edgec_dot_256(a{{ i }}, w0, x, size);
                        b{{ i }} = edgec_dot_256(b{{ i }}, w1, x, size);
                        x{{ i }} += 4;
                    }
{% endfor %}
                }
            }
            const __m256i m0 = _mm256_loadu_si256((const __m256i *)(const void *)m), m1 = _mm256_loadu_si256((const __m256i *)(const void *)(m + 8));
{% for i in range(count) %}
            edgec_store_256(out + {{ i }} * t->out_step, edgec_scale_{{ left }}256(a{{ i }}, m0, q), edgec_scale_{{ left }}256(b{{ i }}, m1, q), q);
{% endfor %}
        }
{% endmacro %}
{# 512 bits: one vector.  Dot products take unsigned bytes times signed ones: weights plus 128, less 128 times the sum of the pixel's bytes. #}
{% macro block512(count, left) %}
        {
{% for i in range(count) %}
            __m512i a{{ i }} = _mm512_loadu_si512(bias);
            __m128i s{{ i }} = _mm_setzero_si128();
{% endfor %}
            const int8_t *w = (const int8_t *)(m + 16);
            const __m512i more = _mm512_set1_epi8(-128);
            for (int r = 0; r < t->runs; ++r) {
                {{ pointers("int8_t", count) }}
                for (int k = t->whole; k > 0; --k, w += 256) {
{% for lane in range(4) %}
                    const __m512i w{{ lane }} = _mm512_xor_si512(_mm512_loadu_si512(w + {{ 64 * lane }}), more);
{% for i in range(count) %}
                    a{{ i }} = _mm512_dpbusd_epi32(a{{ i }}, w{{ lane }}, _mm512_set1_epi32(edgec_load_32(x{{ i }} + {{ 4 * lane }})));
{% endfor %}
{% endfor %}
{% for i in range(count) %}
                    s{{ i }} = edgec_bytes_128(s{{ i }}, edgec_load_128(x{{ i }}));
                    x{{ i }} += 16;
{% endfor %}
                }
                for (int k = t->rest; k > 0; --k, w += 64) {
                    const __m512i v = _mm512_xor_si512(_mm512_loadu_si512(w), more);
{% for i in range(count) %}
                    a{{ i }} = _mm512_dpbusd_epi32(a{{ i }}, v, _mm512_set1_epi32(edgec_load_32(x{{ i }})));
                    s{{ i }} = edgec_bytes_128(s{{ i }}, _mm_cvtsi32_si128(edgec_load_32(x{{ i }})));
                    x{{ i }} += 4;
{% endfor %}
                }
            }
            const __m512i factors = _mm512_loadu_si512(m);
{% for i in range(count) %}
            edgec_store_512(out + {{ i }} * t->out_step, edgec_scale_{{ left }}512(edgec_less_bytes(a{{ i }}, s{{ i }}), factors, q), q);
{% endfor %}
        }
{% endmacro %}
{# Floats: `each` channels in a vector. #}
{% macro block_f32(count, bits) %}
{% set each, V = bits // 32, "__m%d" % bits %}
{% set P = "_mm%d" % bits %}
        {
{% for i in range(count) %}
{% for j in range(16 // each) %}
            {{ V }} a{{ i }}{{ j }} = {{ P }}_loadu_ps(t->stream + {{ each * j }});
{% endfor %}
{% endfor %}
            const float *w = t->stream + 16;
            for (int r = 0; r < t->runs; ++r) {
                {{ pointers("float", count) }}
                for (int k = 4 * t->fours + t->rest; k > 0; --k, w += 16) {
{% for j in range(16 // each) %}
                    const {{ V }} w{{ j }} = {{ P }}_loadu_ps(w + {{ each * j }});
{% endfor %}
{% for i in range(count) %}
                    const {{ V }} v{{ i }} = {{ P }}_set1_ps(*x{{ i }}++);
{% for j in range(16 // each) %}
                    a{{ i }}{{ j }} = {{ P }}_fmadd_ps(w{{ j }}, v{{ i }}, a{{ i }}{{ j }});
{% endfor %}
{% endfor %}
                }
            }
{% for i in range(count) %}
{% for j in range(16 // each) %}
            {{ P }}_storeu_ps(out + {{ i }} * t->out_step + {{ each * j }}, {{ P }}_min_ps({{ P }}_set1_ps(t->hi), {{ P }}_max_ps({{ P }}_set1_ps(t->lo), a{{ i }}{{ j }})));
{% endfor %}
{% endfor %}
        }
{% endmacro %}
{# The function around them: 512 bits take two blocks of four pixels at once, as long as there are two. #}
{% macro loop(block, step) %}
    for (; blocks > {{ step - 1 }}; blocks -= {{ step }}, offset += {{ pixels * step }} * t->x_step, out += {{ pixels * step }} * t->out_step) {
{{ block -}}
    }
{% endmacro %}
{% macro tile(name, bits, left) %}
/* {{ pixels }} pixel{{ "s" if pixels > 1 }} by 16 channels at a time, `blocks` times from pixel `first` on; see the other form. */
static EDGEC_NOINLINE void {{ name }}(const edgec_tile_t *t, int first, int blocks)
{
    const int32_t *const bias = t->stream, *const m = bias + 16;
    const edgec_quant q = edgec_quant_of(t->left, t->shift, t->zero, t->lo, t->hi);
    int offset = first * t->x_step;
    int8_t *out = t->out + first * t->out_step;
{% set scaled = "left_" if left else "" %}
{% if bits == 256 %}
{{ loop(block256(pixels, scaled), 1) -}}
{% else %}
{{ loop(block512(2 * pixels, scaled), 2) -}}
{{ loop(block512(pixels, scaled), 1) -}}
{% endif %}
}
{% endmacro %}
{% macro tile_f32(name, bits) %}
/* {{ pixels }} pixel{{ "s" if pixels > 1 }} by 16 channels at a time, `blocks` times from pixel `first` on; see the other form. */
static EDGEC_NOINLINE void {{ name }}(const edgec_tile_f32_t *t, int first, int blocks)
{
    int offset = first * t->x_step;
    float *out = t->out + first * t->out_step;
{% if bits == 512 %}
{{ loop(block_f32(2 * pixels, 512), 2) -}}
{% endif %}
{{ loop(block_f32(pixels, bits), 1) -}}
}
{% endmacro %}
