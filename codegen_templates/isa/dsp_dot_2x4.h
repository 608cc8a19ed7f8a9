{% import "isa/dsp_split.j2" as chunks %}
{% set name = "edgec_dot_2x4_%d_%d%s" % (shift, left, "_split" if split else "_safe" if safe else "") %}
{% macro start(S, T) %}{% if safe and not split %}"ldrd r4, r6, [r1], #8\n" "mov r8, r4\n" "mov r10, r6\n"{% else %}"ldm r1!, {r4, r6, r8, r10}\n"{% endif %}{% if split %} {{ chunks.begin(S, T) }}{% endif %}{% endmacro %}
{% set frame = 64 if split else 40 %}
{% macro epilogue(pixels) %}
{% set a = ["r8", "r9"][:pixels] %}{% set b = ["r4", "r5"][:pixels] %}{% set c = ["r10", "r11"][:pixels] %}{% set d = ["r6", "r7"][:pixels] %}
{% if split %}
{{ chunks.fold(b + d, a + c, 11) }}
{% else %}
        {% for r in b %}"sub {{ r }}, {{ r }}, {{ a[loop.index0] }}\n" {% endfor %}{% for r in d %}"sub {{ r }}, {{ r }}, {{ c[loop.index0] }}\n" {% endfor %}

{% endif %}
{% if safe and not split %}
        "ldrd r2, r3, [r1], #8\n" {% for r in b %}"add {{ r }}, r2, {{ r }}, asr #8\n" {% endfor %}{% for r in d %}"add {{ r }}, r3, {{ r }}, asr #8\n" {% endfor %}

{% endif %}
{% if left %}
        {% for r in a + b + c + d %}"lsl {{ r }}, {{ r }}, #{{ left }}\n" {% endfor %}

{% endif %}
        "{{ "ldr r12" if safe else "ldrd r12, lr" }}, [sp, #8]\n" "ldrd r2, r3, [r1], #8\n"
        {% for r in a %}"smmla {{ r }}, {{ r }}, r2, r12\n" {% endfor %}{% for r in b %}"smmla {{ r }}, {{ r }}, r3, {{ "r12" if safe else "lr" }}\n" {% endfor %}"ldrd r2, r3, [r1], #8\n"
        {% for r in c %}"smmla {{ r }}, {{ r }}, r2, r12\n" {% endfor %}{% for r in d %}"smmla {{ r }}, {{ r }}, r3, {{ "r12" if safe else "lr" }}\n" {% endfor %}

        {% for r in a + c %}"ssat {{ r }}, #8, {{ r }}, asr #{{ shift }}\n" {% endfor %}

        {% for r in b + d %}"ssat {{ r }}, #8, {{ r }}, asr #{{ shift if safe else shift + 8 }}\n" {% endfor %}

{% endmacro %}
/* ---- two pixels (or one) by four channels, shift {{ shift }}{{ ", left %d" % left if left }} ----
{% if split %}
 * Stream of a group: bias of the odd channels, of the even ones, H words, 2*m of all.
{% elif safe %}
 * Stream of a group: bias of the even channels, H words, bias of the odd channels, 2*m of all.
{% else %}
 * Stream of a group: 256*bias_b + bias_a of both pairs, bias_a of both, H words, 2*m of all; |acc_b| < 2^23{{ " / 2^%d" % left if left }} for the odd channels.
{% endif %}
 * out0, out1: the four outputs of each pixel, then those of the next group. */
#if EDGEC_DSP_ASM
/* clang-format off */
/* Frame behind that of the loop: 28 out0, 32 out1, 36 end of the stream. */
EDGEC_NAKED void {{ name }}(EDGEC_ARG const edgec_dot_t *dot, EDGEC_ARG const int32_t *stream, EDGEC_ARG int8_t *out0,
                            EDGEC_ARG int8_t *out1, EDGEC_ARG const int32_t *stop)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "sub sp, sp, #{{ frame }}\n" "strd r2, r3, [sp, #28]\n" "ldr r4, [sp, #{{ frame + 36 }}]\n" "str r4, [sp, #36]\n" EDGEC_DOT_FRAME
{% if split %}
        {{ chunks.enter(11) }}
{% endif %}
        "1:\n"
        "ldr r0, [sp, #4]\n" {{ start(["r4", "r4", "r6", "r6"], ["r8", "r8", "r10", "r10"]) }}
        EDGEC_MAC_2X4_FIRST "ldr.w pc, [sp, #16]\n"
        "4:\n"
{{ epilogue(2) }}
        "ldrd r2, r3, [sp, #28]\n"
        "strb r8, [r2], #1\n" "strb r4, [r2], #1\n" "strb r10, [r2], #1\n" "strb r6, [r2], #1\n"
        "strb r9, [r3], #1\n" "strb r5, [r3], #1\n" "strb r11, [r3], #1\n" "strb r7, [r3], #1\n"
        "ldr r4, [sp, #36]\n" "strd r2, r3, [sp, #28]\n" "cmp r1, r4\n" "bne 1b\n"
        "add sp, sp, #{{ frame }}\n" "pop {r4-r11, pc}\n");
}

/* The first pixel only. */
EDGEC_NAKED void {{ name }}_one(EDGEC_ARG const edgec_dot_t *dot, EDGEC_ARG const int32_t *stream, EDGEC_ARG int8_t *out0,
                                EDGEC_ARG const int32_t *stop)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "sub sp, sp, #{{ frame }}\n" "strd r2, r3, [sp, #28]\n" EDGEC_DOT_FRAME
{% if split %}
        {{ chunks.enter(11) }}
{% endif %}
        "1:\n"
        "ldr r0, [sp, #4]\n" {{ start(["r4", "r6"], ["r8", "r10"]) }} "ldr.w pc, [sp, #16]\n"
        "4:\n"
{{ epilogue(1) }}
        "ldr r2, [sp, #28]\n" "strb r8, [r2], #1\n" "strb r4, [r2], #1\n" "strb r10, [r2], #1\n" "strb r6, [r2], #1\n"
        "ldr r4, [sp, #32]\n" "str r2, [sp, #28]\n" "cmp r1, r4\n" "bne 1b\n"
        "add sp, sp, #{{ frame }}\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
static inline void {{ name }}_pixel(const edgec_dot_t *dot, const int32_t *stream, const uint32_t *x, int8_t *out, const int32_t *stop)
{
    const int words = dot->fours * 4;
    while (stream != stop) {
{% if safe and not split %}
        const int32_t *const h = stream + 2, *const odd = h + words, *const m2 = odd + 2;
{% else %}
        const int32_t *const h = stream + 4, *const m2 = h + words;
{% endif %}
        for (int i = 0; i < 2; ++i) {
            int32_t s = stream[i], t = stream[{{ "i" if safe and not split else "2 + i" }}];
            edgec_dot_{{ "apart" if split else "pair" }}(dot, x, 2, h + i, 2, &s, &t);
{% if not split %}
            s = edgec_i32((uint32_t)s - (uint32_t)t);
{% endif %}
{% if safe and not split %}
            s = edgec_add_wrap(odd[i], s >> 8);
{% endif %}
            out[2 * i] = edgec_ssat8(edgec_smmla(edgec_left(t, {{ left }}), m2[2 * i], dot->round) >> {{ shift }});
            out[2 * i + 1] = edgec_ssat8(edgec_smmla(edgec_left(s, {{ left }}), m2[2 * i + 1], {{ "dot->round) >> %d" % shift if safe else "dot->round_odd) >> %d" % (shift + 8) }});
        }
        stream = m2 + 4;
        out += 4;
    }
}

EDGEC_SHARED void {{ name }}_one(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, const int32_t *stop)
{
    {{ name }}_pixel(dot, stream, dot->x, out0, stop);
}

EDGEC_SHARED void {{ name }}(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, const int32_t *stop)
{
    {{ name }}_pixel(dot, stream, dot->x, out0, stop);
    {{ name }}_pixel(dot, stream, dot->x + 1, out1, stop);
}
#endif
