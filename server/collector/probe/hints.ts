/** Pages that people look at, and where the same program says more to programs. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /Statistics Report for HAProxy|^# pxname,svname/,
    "This is HAProxy's statistics page. Its runtime API says more and can drain: write `stats socket /run/haproxy.sock level admin` in its `global` section and look at that socket",
  ],
  [/<title>Envoy Admin<\/title>/i, 'This is the admin page of Envoy: name kind envoy'],
  [
    /<title>[^<]*Traefik[^<]*<\/title>/i,
    "This is Traefik's dashboard: turn its Prometheus metrics on and look at /metrics",
  ],
  [
    /<title>Welcome to nginx!<\/title>/,
    'This is a page that nginx serves: give stub_status a location of its own and look at that',
  ],
]

/** What else could be asked where a page for people answered, a sentence each. */
export const hintsOf = (text: string): string[] => {
  const beginning = text.slice(0, 16_384)
  return HINTS.filter(([pattern]) => pattern.test(beginning)).map(([, sentence]) => `${sentence}.`)
}
