import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { proxyConfigSchema } from '../../server/contract/proxy-config.ts'
import { CLOSE_REASONS } from '../../server/runtime/proxy/connections/close-reasons.ts'
import { planPorts } from '../../server/runtime/proxy/routes/plan.ts'

const text = readFileSync(new URL('../../docs/proxy.md', import.meta.url), 'utf8')
const examples = text.split(/^## /m).map((section) => ({
  title: section.split('\n', 1)[0] ?? '',
  yaml: [...section.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml]) => yaml).join(''),
}))

describe('docs/proxy.md', () => {
  it.each(examples.filter(({ yaml }) => yaml !== ''))(
    'has an example that may be written: $title',
    ({ yaml }) => {
      // What a reference stands for is long enough for a secret.
      const written = parse(yaml.replaceAll(/\$\{\w+\}/g, 'a-secret-that-is-long')) as { proxy: unknown }
      const config = proxyConfigSchema.parse(written.proxy)
      expect(config.routes.length).toBeGreaterThan(0)
      expect(planPorts(config.routes, null, config.acme?.challengePort ?? null).length).toBeGreaterThan(0)
    },
  )

  it('has an example of each of its parts', () => {
    expect(examples.filter(({ yaml }) => yaml !== '').length).toBeGreaterThanOrEqual(6)
  })

  it('names reasons that there are', () => {
    const named = [...text.matchAll(/`((?:route|bad|limit|target|tls|handler|initial)_[a-z_]+)`/g)].map(
      ([, name = '']) => name,
    )
    const ofRequests = ['route_request_rate', 'route_unauthorized']
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !(name in CLOSE_REASONS) && !ofRequests.includes(name))).toEqual([])
  })
})
