import { describe, expect, it } from 'vitest'
import { type Page, PageReader } from '../../../../server/collector/adapters/prometheus/page-reader.ts'
import { readSample } from '../../../../server/collector/adapters/prometheus/sample-line.ts'

const read = (text: string | Buffer, names: readonly string[], pieces = 1, wantsNames = false): Page => {
  const bytes = Buffer.from(text)
  const reader = new PageReader(names, wantsNames)
  const size = Math.max(1, Math.ceil(bytes.length / pieces))
  for (let at = 0; at < bytes.length; at += size) {
    // As they come: what lands next lands in the same place.
    const landed = Buffer.from(bytes.subarray(at, at + size))
    reader.take(landed)
    landed.fill('x')
  }
  return reader.end()
}
const values = (page: Page, name: string) =>
  page.series.get(name)?.map(({ labels, value }) => [Object.fromEntries(labels), value])

describe('a page for Prometheus', () => {
  // The example of the format's own documentation (exposition formats, text 0.0.4).
  const EXAMPLE = `# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# A histogram, which has a pretty complex representation in the text format:
# HELP http_request_duration_seconds A histogram of the request duration.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} 3102
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
`
  it.each([1, 7, 100_000])('is read in %i pieces', (pieces) => {
    const page = read(
      EXAMPLE,
      [
        'http_requests_total',
        'msdos_file_access_time_seconds',
        'metric_without_timestamp_and_labels',
        'something_weird',
        'http_request_duration_seconds_count',
        'http_request_duration_seconds_bucket',
      ],
      pieces,
    )
    expect(page).toMatchObject({ samples: 12, badLines: 0 })
    expect(values(page, 'http_requests_total')).toEqual([
      [{ method: 'post', code: '200' }, 1027],
      [{ method: 'post', code: '400' }, 3],
    ])
    expect(values(page, 'msdos_file_access_time_seconds')).toEqual([
      [{ path: 'C:\\DIR\\FILE.TXT', error: 'Cannot find file:\n"FILE.TXT"' }, 1.458255915e9],
    ])
    expect(values(page, 'metric_without_timestamp_and_labels')).toEqual([[{}, 12.47]])
    expect(values(page, 'something_weird')?.[0]?.[1]).toBe(Number.POSITIVE_INFINITY)
    expect(values(page, 'http_request_duration_seconds_count')).toEqual([[{}, 144_320]])
    expect(values(page, 'http_request_duration_seconds_bucket')).toHaveLength(2)
    expect(page.types.get('http_requests_total')).toBe('counter')
    expect(page.types.get('http_request_duration_seconds_count')).toBe('histogram')
  })

  it('is read as OpenMetrics 1.0: families, units, exemplars, its end', () => {
    const page = read(
      '# TYPE acme_http_router_request_seconds summary\n# UNIT acme_http_router_request_seconds seconds\n# TYPE foo counter\nfoo_total{a="1"} 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67\nfoo_created{a="1"} 1520430000.123\nacme_http_router_request_seconds_count{path="/api/v1"} 807283.0\n# EOF\n',
      ['foo_total', 'acme_http_router_request_seconds_count'],
    )
    expect(values(page, 'foo_total')).toEqual([[{ a: '1' }, 17]])
    expect(page.types.get('foo_total')).toBe('counter')
    expect(page.badLines).toBe(0)
    expect(read('a 1\n# EOF\nb 2\n', ['b'])).toMatchObject({
      badLines: 1,
      told: [{ line: 3, why: 'comes after # EOF' }],
    })
  })

  it.each<[string, string, number | undefined]>([
    ['lines that end with CR LF', 'a 1\r\nb 2\r\n', 2],
    ['no line feed at the end', 'a 1\nb 2', 2],
    ['spaces before, between and behind', ' \t b \t 2 \t \n', 2],
    ['spaces among labels', 'b { x = "1" , y = "2" , } 2\n', 2],
    ['no labels within braces', 'b{} 2\n', 2],
    ['braces and commas within quotes', 'b{x="},\\"{#"} 2\n', 2],
    ['a name that only begins alike', 'bb 1\nb_total 3\nb:x 4\n', undefined],
    ['a comment that looks like a series', '# b 2\n#b 2\n', undefined],
    ['names in quotes beside it', '{"my.series",a="b"} 1\nb 2\n', 2],
    ['hexadecimal, which Prometheus takes and nobody writes', 'b 0x10\n', undefined],
    ['two values', 'b 1 2 3\n', undefined],
    ['no value', 'b{x="1"}\n', undefined],
    ['a label that is not closed', 'b{x="1} 2\n', undefined],
    ['a label twice', 'b{x="1",x="2"} 2\n', undefined],
    ['a label without a comma', 'b{x="1"y="2"} 2\n', undefined],
    ['a number with a comma', 'b 1,5\n', undefined],
  ])('with %s says what it should', (_title, text, value) => {
    for (const pieces of [1, 1_000]) expect(read(text, ['b'], pieces).series.get('b')?.[0]?.value).toBe(value)
  })

  it('counts lines that cannot be read, and tells the first with their numbers', () => {
    const page = read('a 1\nb{ 2\nwhat is this\n<p>\n5 6\na{x="1"} 2\na 3\n', ['a', 'b'])
    expect(page).toMatchObject({ samples: 3, badLines: 5 })
    expect(page.told).toEqual([
      { line: 2, why: 'cannot be read as a series: "b{ 2"' },
      { line: 3, why: 'is no series; it begins with "what is this"' },
      { line: 4, why: 'is no series; it begins with "<p>"' },
    ])
  })

  it('skips a line that is too long, wherever it is cut, and reads on', () => {
    const text = `a 1\nlong{x="${'y'.repeat(100_000)}"} 1\nb 2\n`
    for (const pieces of [1, 2, 5, 1_000]) {
      const page = read(text, ['a', 'b', 'long'], pieces)
      expect(values(page, 'b')).toEqual([[{}, 2]])
      expect(page.series.has('long')).toBe(false)
      expect(page.told).toEqual([{ line: 2, why: 'is longer than 65536 bytes' }])
    }
  })

  it('believes no sum of a name with more series than it keeps', () => {
    const page = read(Array.from({ length: 2_001 }, (_, at) => `b{at="${at}"} 1\n`).join(''), ['b'])
    expect(page.series.get('b')).toHaveLength(2_000)
    expect(page.crowded.has('b')).toBe(true)
  })

  it('keeps names only where they are asked for', () => {
    expect(read('a 1\nb 2\n', [], 1, true).names).toEqual(new Set(['a', 'b']))
    expect(read('a 1\nb 2\n', []).names.size).toBe(0)
  })
})

it.each([
  ['1', 1],
  ['+1.5e-3', 0.0015],
  ['.5', 0.5],
  ['5.', 5],
  ['NaN', Number.NaN],
  ['nan', Number.NaN],
  ['+Inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['1_000', null],
  ['', null],
  ['one', null],
  ['1e', null],
])('the value %j is %s', (word, value) => {
  expect(readSample(` ${word}`)?.value ?? null).toEqual(value)
})
