import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { domainMatcher, pathMatcher } from '../../../server/runtime/proxy/patterns/glob.ts'
import { httpRoute, httpTarget, RawClient, startProxy, until } from './harness.ts'

const literal = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')

/** The rules in the words of regular expressions, which backtrack: what the matchers must agree with. */
const domainRule = (domain: string): RegExp => new RegExp(`^${domain.split('*').map(literal).join('.+')}$`)
const pathRule = (path: string): RegExp => {
  const segments = path.split('/')
  const source = segments.map((segment) =>
    /^:[A-Za-z_]\w*$/.test(segment) ? '[^/]+' : segment.split('*').map(literal).join('.*'),
  )
  return new RegExp(`^${source.join('/')}$`)
}

const made = (...parts: string[]) =>
  fc.array(fc.constantFrom(...parts), { maxLength: 8 }).map((chosen) => chosen.join(''))

describe('wildcards', () => {
  it('of domains match what their rule says', () => {
    fc.assert(
      fc.property(made('a', 'b', '.', '*'), made('a', 'b', '.'), (domain, name) => {
        expect(domainMatcher(domain)(name)).toBe(domainRule(domain).test(name))
      }),
      { numRuns: 5_000 },
    )
  })

  it('of paths match what their rule says', () => {
    fc.assert(
      fc.property(made('a', 'b', '/', '*', '/:id', '/:id/'), made('a', 'b', '/', '/'), (path, text) => {
        expect(pathMatcher(`/${path}`)(`/${text}`)).toBe(pathRule(`/${path}`).test(`/${text}`))
      }),
      { numRuns: 5_000 },
    )
  })

  it('let no stranger stop the proxy for the others with a long path or Host', async () => {
    const target = await httpTarget((_request, response) => response.end('ok'))
    const { port } = await startProxy({
      routes: [
        httpRoute(target.port, { domains: ['*.*.*.example.com', '*-*-*-*.example.org'] }, 'names'),
        httpRoute(target.port, { path: '/*/a/*/a/*/a/*/c' }, 'paths'),
        httpRoute(target.port, { path: '/:x/*/:y/*/:z/c' }, 'parameters'),
      ],
    })
    const client = new RawClient(port())
    const path = `${'/a'.repeat(30_000)}/`
    const host = `${'a-.'.repeat(80)}x`
    const from = performance.now()
    for (let times = 1; times <= 5; times += 1) {
      client.socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await until(() => client.text.split('ERR_NOT_FOUND').length === times + 1)
    }
    expect(performance.now() - from).toBeLessThan(2_000)
  })
})
