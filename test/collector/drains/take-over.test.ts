import { describe, expect, it } from 'vitest'
import type { DrainVerbs } from '../../../server/collector/adapters/adapter.ts'
import { leavesNobody, successorsOf } from '../../../server/collector/drains/take-over.ts'
import type { Node } from '../../../server/contract/fleet.ts'

const node = (id: string, region = 'fra', kind = 'haproxy') => ({ id, region, kind }) as Node

/** A fleet by its nodes; those that `others` names stand behind one HAProxy, with who else it would give sessions to. */
const fleetOf = (nodes: Node[], others: Record<string, string[] | null> = {}) => ({
  nodes: () => nodes,
  drainVerbs: (id: string) =>
    (id in others
      ? { pool: { name: 'admin.sock web', member: id, others: others[id] ?? null } }
      : {}) as DrainVerbs,
})

describe('who takes over', () => {
  it('is never a server behind an HAProxy where the process itself goes', () => {
    const nodes = [node('edge'), node('web-1'), node('web-2')]
    const fleet = fleetOf(nodes, { 'web-1': ['web-2'], 'web-2': ['web-1'] })
    expect(leavesNobody(fleet, ['edge'], nodes)).toBe(true)
    expect(leavesNobody(fleet, ['web-1'], nodes)).toBe(false)
  })

  it('is nobody where the other servers of a backend are out, and never its process or another region', () => {
    const nodes = [node('edge'), node('web-1'), node('web-2'), node('far', 'iad')]
    const fleet = fleetOf(nodes, { 'web-1': ['web-2'], 'web-2': ['web-1'] })
    const beside = nodes.filter(({ id }) => id !== 'web-1')
    expect(leavesNobody(fleet, ['web-2'], beside)).toBe(true)
  })

  it('may be a server that is no node, as long as HAProxy gives it sessions', () => {
    const nodes = [node('edge'), node('web-1')]
    expect(leavesNobody(fleetOf(nodes, { 'web-1': ['web-9'] }), ['web-1'], nodes)).toBe(false)
    expect(leavesNobody(fleetOf(nodes, { 'web-1': [] }), ['web-1'], nodes)).toBe(true)
  })

  it('is never the same process by another address', () => {
    const nodes = [node('edge'), node('edge-tcp')]
    const twins: Record<string, string[]> = { edge: ['edge-tcp'], 'edge-tcp': ['edge'] }
    const fleet = { nodes: () => nodes, drainVerbs: (id: string) => ({ twins: twins[id] }) as DrainVerbs }
    expect(leavesNobody(fleet, ['edge'], nodes)).toBe(true)
    expect(leavesNobody(fleetOf(nodes), ['edge'], nodes)).toBe(false)
    expect(successorsOf(fleet, ['edge'])).toEqual([])
  })

  it('is another region where a whole one goes', () => {
    const nodes = [node('edge'), node('web-1'), node('web-2'), node('far', 'iad')]
    const fleet = fleetOf(nodes, { 'web-1': ['web-2'], 'web-2': ['web-1'] })
    expect(leavesNobody(fleet, ['edge', 'web-1', 'web-2'], nodes)).toBe(false)
    expect(leavesNobody(fleet, ['web-1', 'web-2'], nodes)).toBe(true)
  })
})

it('is decided for one of a thousand servers behind an HAProxy by a few looks at each', () => {
  const nodes = Array.from({ length: 1_000 }, (_, index) => node(`web-${index}`))
  const names = nodes.map(({ id }) => id)
  let asked = 0
  const fleet = {
    nodes: () => nodes,
    drainVerbs: (id: string) => {
      asked += 1
      const others = names.filter((each) => each !== id)
      return { pool: { name: 'one', member: id, others } } as unknown as DrainVerbs
    },
  }
  // All the others but the last are out.
  expect(leavesNobody(fleet, ['web-0'], nodes.slice(-1))).toBe(false)
  expect(asked).toBeLessThan(10 * nodes.length)
  expect(leavesNobody(fleet, ['web-0'], nodes.slice(0, 1))).toBe(true)
})
