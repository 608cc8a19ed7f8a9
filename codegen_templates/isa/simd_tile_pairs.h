{# The inner loops of a tile with matrix products (i8mm): two pixels at a time, two channels by eight bytes in a vector.
   The packed weights are those of dot products: four channels by four bytes; two vectors of them make two of these. #}
{% macro start(p, v) %}
{% for j in range(*v) %}
            const edgec_i4 b{{ j }} = edgec_load_i4(bias + {{ 4 * j }});
{% for i in range(p[0], p[1], 2) %}
            edgec_i4 l{{ i }}{{ j }} = edgec_low_halves(b{{ j }}, b{{ j }}), h{{ i }}{{ j }} = edgec_high_halves(b{{ j }}, b{{ j }});
{% endfor %}
{% endfor %}
{% endmacro %}
{# x: the vectors hold bytes of the first half of sixteen ("low") or of the second; single: only four of the eight are there. #}
{% macro products(lane, half, single, p, v) %}
                    {
{% for i in range(p[0], p[1], 2) %}
                        const edgec_b16 x{{ i }}{{ i + 1 }} = edgec_{{ half }}_pixels(v{{ i }}, v{{ i + 1 }});
{% endfor %}
{% for j in range(*v) %}
                        const edgec_b16 w{{ j }} = edgec_load_b16(w + {{ 16 * (lane * vectors + j) }});
                        const edgec_b16 n{{ j }} = {{ "edgec_zero_b16()" if single else "edgec_load_b16(w + %d)" % (16 * ((lane + 1) * vectors + j)) }};
{% for i in range(p[0], p[1], 2) %}
                        l{{ i }}{{ j }} = edgec_mac_pairs(l{{ i }}{{ j }}, x{{ i }}{{ i + 1 }}, edgec_low_channels(w{{ j }}, n{{ j }}));
                        h{{ i }}{{ j }} = edgec_mac_pairs(h{{ i }}{{ j }}, x{{ i }}{{ i + 1 }}, edgec_high_channels(w{{ j }}, n{{ j }}));
{% endfor %}
{% endfor %}
                        EDGEC_APART;
                    }
{% endmacro %}
{% macro total(i, j) -%}
edgec_{{ "high" if i % 2 else "low" }}_halves(l{{ i - i % 2 }}{{ j }}, h{{ i - i % 2 }}{{ j }})
{%- endmacro %}
