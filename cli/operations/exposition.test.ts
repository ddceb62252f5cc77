import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderExposition, type Family } from './exposition.ts';
import { parseExposition, valueIn } from './parse-exposition.fixture.ts';

const gauge = (name: string, samples: Family['samples']): Family =>
  ({ name, help: 'Help.', type: 'gauge', samples }) as Family;

describe('the text of metrics', () => {
  it('is as the format says', () => {
    const families: Family[] = [
      {
        name: 'a_total',
        help: 'Back\\slash\nand line.',
        type: 'counter',
        samples: [{ labels: { x: 'a"b\\c\nd', n: 1 }, value: 2.5 }],
      },
      gauge('b', [{ labels: {}, value: Infinity }]),
      gauge('empty', []),
      {
        name: 'h',
        help: 'H.',
        type: 'histogram',
        bounds: [0.1, 1],
        samples: [{ labels: { p: 'q' }, buckets: [1, 0, 2], sum: 7 }],
      },
    ];
    expect(renderExposition(families)).toBe(
      [
        '# HELP a_total Back\\\\slash\\nand line.',
        '# TYPE a_total counter',
        'a_total{x="a\\"b\\\\c\\nd",n="1"} 2.5',
        '# HELP b Help.',
        '# TYPE b gauge',
        'b +Inf',
        '# HELP h H.',
        '# TYPE h histogram',
        'h_bucket{p="q",le="0.1"} 1',
        'h_bucket{p="q",le="1"} 1',
        'h_bucket{p="q",le="+Inf"} 3',
        'h_sum{p="q"} 7',
        'h_count{p="q"} 3',
        '',
      ].join('\n'),
    );
  });

  it('gives back any label and number', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.double({ noNaN: true }), (label, value) => {
        const text = renderExposition([gauge('g', [{ labels: { label }, value }])]);
        expect(valueIn(text, 'g', { label })).toBe(Object.is(value, -0) ? 0 : value);
      }),
    );
  });

  it('refuses what would cost the whole scrape', () => {
    const twice = [
      { labels: { a: 1 }, value: 1 },
      { labels: { a: '1' }, value: 2 },
    ];
    expect(() => renderExposition([gauge('g', twice)])).toThrow('metric g{a="1"} has two values');
    expect(() => renderExposition([gauge('g', []), gauge('g', [])])).toThrow('metric g');
    expect(() => renderExposition([gauge('a-b', [])])).toThrow('metric a-b');
  });
});

describe('the strict reader', () => {
  const head = '# HELP g G.\n# TYPE g gauge\n';
  it.each([
    ['no line end', `${head}g 1`],
    ['a sample without a family', 'g 1\n'],
    ['a sample of another family', `${head}other 1\n`],
    ['an unescaped quote', `${head}g{a="x"y"} 1\n`],
    ['a comma too many', `${head}g{a="x",} 1\n`],
    ['the same series twice', `${head}g{a="x",b="y"} 1\ng{b="y",a="x"} 2\n`],
    ['a value that is none', `${head}g undefined\n`],
    ['an empty line', `${head}\ng 1\n`],
    ['a counter without _total', '# HELP g G.\n# TYPE g counter\ng 1\n'],
    [
      'buckets that fall',
      '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    ],
    ['a wrong count', '# HELP h H.\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n'],
  ])('refuses %s', (_, text) => {
    expect(() => parseExposition(text)).toThrow();
  });
});
