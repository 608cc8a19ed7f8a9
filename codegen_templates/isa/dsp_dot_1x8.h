{% import "isa/dsp_split.j2" as chunks %}
{% set name = "edgec_dot_1x8_%d_%d%s" % (shift, left, "_split" if split else "_safe" if safe else "") %}
{% set frame = 64 if split else 40 %}
{% set S, T = ["r4", "r5", "r6", "r7"], ["r8", "r9", "r10", "r11"] %}
/* ---- one pixel by eight channels, shift {{ shift }}{{ ", left %d" % left if left }}; the stream is that of edgec_dot_2x4, eight channels at a time ---- */
#if EDGEC_DSP_ASM
/* clang-format off */
/* Frame behind that of the loop: 28 out, 32 end of the stream. */
EDGEC_NAKED void {{ name }}(EDGEC_ARG const edgec_dot_t *dot, EDGEC_ARG const int32_t *stream, EDGEC_ARG int8_t *out, EDGEC_ARG const int32_t *stop)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "sub sp, sp, #{{ frame }}\n" "strd r2, r3, [sp, #28]\n" EDGEC_DOT_FRAME
{% if split %}
        {{ chunks.enter(10) }}
{% endif %}
        "1:\n"
        "ldr r0, [sp, #4]\n" {% if safe and not split %}"ldm r1!, {r4-r7}\n" "mov r8, r4\n" "mov r9, r5\n" "mov r10, r6\n" "mov r11, r7\n"{% else %}"ldm r1!, {r4-r11}\n"{% endif %}{% if split %} {{ chunks.begin(S, T) }}{% endif %}

        "ldr.w pc, [sp, #16]\n"
        "4:\n"
{% if split %}
{{ chunks.fold(S, T, 10) }}
{% else %}
        {% for s in S %}"sub {{ s }}, {{ s }}, {{ T[loop.index0] }}\n" {% endfor %}

{% endif %}
{% if safe and not split %}
        "ldrd r2, r3, [r1], #8\n" "add r4, r2, r4, asr #8\n" "add r5, r3, r5, asr #8\n"
        "ldrd r2, r3, [r1], #8\n" "add r6, r2, r6, asr #8\n" "add r7, r3, r7, asr #8\n"
{% endif %}
{% if left %}
        {% for r in S + T %}"lsl {{ r }}, {{ r }}, #{{ left }}\n" {% endfor %}

{% endif %}
        "{{ "ldr r12" if safe else "ldrd r12, lr" }}, [sp, #8]\n"

{% for s in S %}
        "ldrd r2, r3, [r1], #8\n" "smmla {{ T[loop.index0] }}, {{ T[loop.index0] }}, r2, r12\n" "smmla {{ s }}, {{ s }}, r3, {{ "r12" if safe else "lr" }}\n"
{% endfor %}
        "ldr r2, [sp, #28]\n"
{% for s in S %}
        "ssat {{ T[loop.index0] }}, #8, {{ T[loop.index0] }}, asr #{{ shift }}\n" "strb {{ T[loop.index0] }}, [r2], #1\n"
        "ssat {{ s }}, #8, {{ s }}, asr #{{ shift if safe else shift + 8 }}\n" "strb {{ s }}, [r2], #1\n"
{% endfor %}
        "ldr r3, [sp, #32]\n" "str r2, [sp, #28]\n" "cmp r1, r3\n" "bne 1b\n"
        "add sp, sp, #{{ frame }}\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
static inline void {{ name }}(const edgec_dot_t *dot, const int32_t *stream, int8_t *out, const int32_t *stop)
{
    const int first = (int)dot->entry, pairs = 4 - first, words = dot->fours * 2 * pairs;
    while (stream != stop) {
{% if safe and not split %}
        const int32_t *const h = stream + 4, *const odd = h + words, *const m2 = odd + 4;
{% else %}
        const int32_t *const h = stream + 8, *const m2 = h + words;
{% endif %}
        for (int i = first; i < 4; ++i) {
            int32_t s = stream[i], t = stream[{{ "i" if safe and not split else "4 + i" }}];
            edgec_dot_{{ "apart" if split else "pair" }}(dot, dot->x, 1, h + i - first, pairs, &s, &t);
{% if not split %}
            s = edgec_i32((uint32_t)s - (uint32_t)t);
{% endif %}
{% if safe and not split %}
            s = edgec_add_wrap(odd[i], s >> 8);
{% endif %}
            out[2 * i] = edgec_ssat8(edgec_smmla(edgec_left(t, {{ left }}), m2[2 * i], dot->round) >> {{ shift }});
            out[2 * i + 1] = edgec_ssat8(edgec_smmla(edgec_left(s, {{ left }}), m2[2 * i + 1], {{ "dot->round) >> %d" % shift if safe else "dot->round_odd) >> %d" % (shift + 8) }});
        }
        stream = m2 + 8;
        out += 8;
    }
}
#endif

/* All `outputs` channels of one pixel. */
EDGEC_SHARED void {{ name }}_all(const edgec_dot_t *dot, const int32_t *stream, int8_t *out, int outputs)
{
    const int words = dot->fours * 8 + 16;
    const int32_t *const stop = stream + outputs / 8 * words, *const end = outputs % 8 != 0 ? stop + words : stop;
    if (outputs < 8) {
        int8_t made[8];
        {{ name }}(dot, stream, made, end);
        memcpy(out, made, (size_t)outputs);
        return;
    }
    {{ name }}(dot, stream, out, stop);
    if (stop != end) { /* the last eight channels, some of them again */
        {{ name }}(dot, stop, out + outputs - 8, end);
    }
}
