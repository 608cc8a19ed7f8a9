{% set vectors = vectors | int %}
{% set name = "edgec_mve_columns_%d%s" % (vectors, "t" if tail else "") %}
/* count >= 1 columns of {{ vectors }} vectors{{ " and `tail` bytes" if tail }}, from_step apart, to places to_step apart. */
static inline void {{ name }}(int8_t *to, int to_step, const int8_t *from, int from_step, int tail, int count)
{
#if EDGEC_MVE_ASM
    __asm__ volatile({{ '"vctp.8 %5\\n\\t" ' if tail }}"dls lr, %2\n1:\n\t"
{% for v in range(vectors) %}
                     "vldrb.u8 q0, [%1, #{{ v * 16 }}]\n\tvstrb.8 q0, [%0, #{{ v * 16 }}]\n\t"
{% endfor %}
{% if tail %}
                     "vpstt\n\tvldrbt.u8 q0, [%1, #{{ vectors * 16 }}]\n\tvstrbt.8 q0, [%0, #{{ vectors * 16 }}]\n\t"
{% endif %}
                     "add %1, %1, %4\n\tadd %0, %0, %3\n\tle lr, 1b"
                     : "+&r"(to), "+&r"(from)
                     : "r"(count), "r"(to_step), "r"(from_step), "r"(tail)
                     : "q0", "lr", "memory");
#else
    for (; count > 0; --count, to += to_step, from += from_step) {
        memcpy(to, from, (size_t)({{ vectors * 16 }} + tail));
    }
#endif
}
