import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { thresholdsFor } from '../../server/collector/signals/detect.ts'
import { nodeDown } from '../../server/collector/signals/node-down.ts'
import { pushStuck } from '../../server/collector/signals/push-stuck.ts'
import { tunnelStorm } from '../../server/collector/signals/tunnel-storm.ts'
import { checkConfig, loadConfig } from '../../server/config/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-detect-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const PLACES = `
regions: [{ id: fra }, { id: iad }]
nodes:
  - { id: fra-1, region: fra, kind: tidegate, url: "https://fra-1.internal:9460", token: 0123456789abcdef }
embedded:
  - { id: iad-1, region: iad }
`
let files = 0
const file = (detect: string): string => {
  const path = join(folder, `${files++}.yaml`)
  writeFileSync(path, `${PLACES}detect:\n${detect}`)
  return path
}
const problems = (detect: string) => checkConfig(file(detect), {})

/** Every row of the table of thresholds: `node.down.fall`, 3. */
const documented = [
  ...readFileSync(new URL('../../docs/signals.md', import.meta.url), 'utf8').matchAll(
    /^\| `([a-z]+\.[a-z]+)\.([A-Za-z]+)` \| ([\d.]+) \|/gm,
  ),
].map(([, kind = '', field = '', standard = '']): [string, string, string] => [kind, field, standard])

describe('detect', () => {
  it('has as many documented thresholds as there are', () => {
    expect(documented.length).toBeGreaterThanOrEqual(9)
  })

  it.each(documented)(
    'takes %s.%s, as documented, for all, for a region and for a node',
    (kind, field, value) => {
      const of = tunnelStorm.kind === kind ? 'region' : 'node'
      const written = `${kind}: { ${field}: ${value} }`
      const node = of === 'node' ? `  nodes: { fra-1: { ${written} }, iad-1: { ${written} } }\n` : ''
      const config = loadConfig(file(`  ${written}\n  regions: { fra: { ${written} } }\n${node}`), {})
      expect(config.detect).toMatchObject({
        [kind]: { [field]: Number(value) },
        regions: { fra: { [kind]: { [field]: Number(value) } } },
      })
    },
  )

  it.each([
    ['an unknown signal', '  push.lost: { received: 3 }', 'detect.push.lost', 'is not a known key here'],
    [
      'a signal without thresholds',
      '  region.unreachable: {}',
      'detect.region.unreachable',
      'is not a known key here',
    ],
    [
      'an unknown threshold',
      '  push.stuck: { recieved: 3 }',
      'detect.push.stuck.recieved',
      'is not a known key here',
    ],
    ['zero', '  push.stuck: { received: 0 }', 'detect.push.stuck.received', 'is 0; '],
    ['a part of a push', '  push.stuck: { received: 1.5 }', 'detect.push.stuck.received', 'is 1.5; '],
    ['no share', '  tunnel.storm: { share: 0 }', 'detect.tunnel.storm.share', 'is 0; '],
    ['more than all', '  tunnel.storm: { share: 1.1 }', 'detect.tunnel.storm.share', 'is 1.1; '],
    [
      'a window longer than what is kept',
      '  tunnel.storm: { withinSeconds: 301 }',
      'detect.tunnel.storm.withinSeconds',
      'is 301; ',
    ],
    ['text', '  node.down: { fall: three }', 'detect.node.down.fall', 'is "three"; '],
    [
      'a threshold of one node out of range',
      '  nodes: { fra-1: { node.down: { fall: 0 } } }',
      'detect.nodes.fra-1.node.down.fall',
      'is 0; ',
    ],
    [
      'an unknown signal of one region',
      '  regions: { fra: { push.lost: {} } }',
      'detect.regions.fra.push.lost',
      'is not a known key here',
    ],
    [
      'a signal of regions for one node',
      '  nodes: { fra-1: { tunnel.storm: { share: 0.5 } } }',
      'detect.nodes.fra-1.tunnel.storm',
      'is not a known key here',
    ],
    [
      'an unknown region',
      '  regions: { sjc: { push.stuck: { received: 3 } } }',
      'detect.regions.sjc',
      'names no region of this file; it must be one of regions: fra, iad',
    ],
    [
      'an unknown node',
      '  nodes: { fra-9: { push.stuck: { received: 3 } } }',
      'detect.nodes.fra-9',
      'names no node of this file; it must be one of nodes: fra-1, iad-1',
    ],
  ])('refuses %s, and says where', (_, detect, path, message) => {
    expect(problems(detect)).toEqual([{ path, message: expect.stringContaining(message) }])
  })

  it('tells all its mistakes at once', () => {
    const found = problems('  push.stuck: { received: 0, within: 3 }\n  nodes: { fra-9: {} }')
    expect(found.map(({ path }) => path).sort()).toEqual([
      'detect.nodes.fra-9',
      'detect.push.stuck.received',
      'detect.push.stuck.within',
    ])
  })

  it('lets the most specific win, field by field', () => {
    const { detect } = loadConfig(
      file(`
  push.stuck: { received: 50, forSeconds: 5 }
  regions: { fra: { push.stuck: { received: 60, withinSeconds: 90 } } }
  nodes: { fra-1: { push.stuck: { withinSeconds: 120 }, node.down: { fall: 9 } } }
`),
      {},
    )
    const push = (region: string, node: string) => thresholdsFor(detect, pushStuck, { region, node })
    expect(push('fra', 'fra-1')).toEqual({ received: 60, withinSeconds: 120, forSeconds: 5 })
    expect(push('fra', 'fra-2')).toEqual({ received: 60, withinSeconds: 90, forSeconds: 5 })
    expect(push('iad', 'iad-1')).toEqual({ received: 50, withinSeconds: 30, forSeconds: 5 })
    expect(thresholdsFor(detect, nodeDown, { region: 'fra', node: 'fra-1' })).toEqual({ fall: 9, rise: 2 })
    expect(thresholdsFor(detect, nodeDown, { region: 'fra', node: 'fra-2' })).toEqual({ fall: 3, rise: 2 })
  })
})
