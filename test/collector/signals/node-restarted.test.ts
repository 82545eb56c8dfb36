import { describe, expect, it } from 'vitest'
import type { Facts } from '../../../server/collector/adapters/facts.ts'
import { nodeRestarted } from '../../../server/collector/signals/node-restarted.ts'
import type { NodeView, SignalFact } from '../../../server/collector/signals/rule.ts'
import { Play } from './play.ts'
import { eventOf, factsWith } from './scripted-view.ts'

const HOUR = 3_600_000
const reading = (at: number, epoch: string, more: Partial<Facts> = {}): SignalFact => ({
  type: 'reading',
  node: 'fra-1',
  at,
  facts: factsWith({ epoch, uptimeMs: 2_000, ...more }),
})
const play = () => new Play(nodeRestarted)
const event = (...[type, at, data]: Parameters<typeof eventOf>): SignalFact => ({
  type: 'event',
  event: eventOf(type, at, data),
})

describe('node.restarted', () => {
  it('opens for another process that nothing had announced, and closes when it runs for a minute', () => {
    const rule = play()
    rule.take(reading(0, 'run1', { uptimeMs: 3 * HOUR }))
    expect(rule.look(1_000).state).toBe('closed')
    rule.take(reading(10_000, 'run2', { uptimeMs: 4_000 }))
    expect(rule.look(10_000)).toMatchObject({
      startedAt: 6_000,
      title: 'fra-1 restarted',
      sentence: 'fra-1 restarted without notice; the process before had run for 3 h',
      severity: 'warning',
    })
    expect(rule.look(69_999).state).toBe('open')
    expect(rule.look(70_000).state).toBe('closed')
    expect(rule.look(71_000).state).toBe('closed')
  })

  it('says nothing of what stands behind a proxy that restarted', () => {
    const rule = play()
    rule.take(reading(0, 'run1', { isBehindProxy: true }))
    rule.take(reading(10_000, 'run2', { isBehindProxy: true }))
    expect(rule.look(10_000).state).toBe('closed')
  })

  it('counts restarts that follow one another as one condition', () => {
    const rule = play()
    rule.take(reading(0, 'run0'))
    for (let run = 1; run <= 5; run += 1) rule.take(reading(run * 30_000, `run${run}`)).look(run * 30_000)
    expect(rule.look(200_000)).toMatchObject({
      state: 'open',
      startedAt: 28_000,
      sentence: 'fra-1 restarted 5 times without notice; the process before had run for 2 s',
    })
    expect(rule.look(210_000).state).toBe('closed')
    rule.take(reading(300_000, 'run6'))
    expect(rule.look(300_000)).toMatchObject({ impact: 'fra-1 restarted 1 time' })
  })

  it('is quiet about one within a maintenance window, also where it is read when that is over', () => {
    const rule = play()
    rule.inMaintenance = (node, at) => node === 'fra-1' && at < 12_000
    rule.take(reading(0, 'run1'))
    rule.take(reading(15_000, 'run2', { uptimeMs: 4_000 }))
    expect(rule.look(15_000).state).toBe('closed')
    rule.take(reading(20_000, 'run3', { uptimeMs: 4_000 }))
    expect(rule.look(20_000).state).toBe('open')
  })

  it.each<[string, Partial<NodeView>]>([
    ['a drain or maintenance', { mayRestart: true }],
    ['an outage that was told and ends with it', { state: 'down', downSince: 5_000 }],
    ['another address', { place: 'http://elsewhere' }],
  ])('is quiet about one that is explained by %s, also later', (_, node) => {
    const rule = play()
    rule.take(reading(0, 'run1'))
    rule.node = { id: 'fra-1', ...node }
    rule.take(reading(10_000, 'run2'))
    rule.node = { id: 'fra-1', place: node.place ?? 'http://fra-1' }
    expect(rule.look(10_000).state).toBe('closed')
    rule.take(reading(15_000, 'run2'))
    expect(rule.look(15_000).state).toBe('closed')
    rule.take(reading(20_000, 'run3'))
    expect(rule.look(20_000).state).toBe('open')
  })

  it.each<[string, SignalFact]>([
    ['its last reading', reading(5_000, 'run1', { state: 'stopping' })],
    ['an event between two polls', event('node.state_changed', 5_000, { from: 'serving', to: 'stopping' })],
    [
      'a drain of its own',
      event('drain.started', 5_000, { drainId: 'd', scope: 'node', reason: 'SIGTERM', initiator: 'signal' }),
    ],
  ])('is quiet about a process that said in %s that it ends', (_, said) => {
    const rule = play()
    rule.take(reading(0, 'run1')).take(said).take(reading(10_000, 'run2'))
    expect(rule.look(10_000).state).toBe('closed')
  })

  it('is not quiet about one that said so, served again, and then crashed', () => {
    const rule = play()
    rule
      .take(reading(0, 'run1'))
      .take(event('node.state_changed', 1_000, { from: 'serving', to: 'draining' }))
      .take(event('node.state_changed', 2_000, { from: 'draining', to: 'serving' }))
      .take(reading(10_000, 'run2'))
    expect(rule.look(10_000).state).toBe('open')
  })

  it('does not take the end of an older run for that of this one, nor a drain of the collector for its own', () => {
    const rule = play()
    rule.take(reading(0, 'run2'))
    rule.take(event('node.state_changed', 1_000, { from: 'serving', to: 'stopping' }))
    rule.take(reading(10_000, 'run3'))
    expect(rule.look(10_000).state).toBe('open')
    const { scope, fleet } = { scope: 'node:fra-1', fleet: null as never }
    const ofDrain = eventOf('drain.started', 1, {
      drainId: 'd',
      scope: 'drain',
      reason: '',
      initiator: 'ana',
    })
    expect(nodeRestarted.about({ type: 'event', event: ofDrain }, fleet)).toBeNull()
    const ofNode = eventOf('drain.started', 1, { drainId: 'd', scope: 'node', reason: '', initiator: 'ana' })
    expect(nodeRestarted.about({ type: 'event', event: ofNode }, fleet)).toBe(scope)
  })

  it('says that two processes answer under one id when a run comes back, and goes on while they do', () => {
    const rule = play()
    for (let poll = 0; poll < 30; poll += 1) {
      rule.take(reading(poll * 5_000, poll % 2 === 0 ? 'run-a' : 'run-b'))
      rule.look(poll * 5_000)
    }
    expect(rule.look(145_000)).toMatchObject({
      state: 'open',
      sentence: 'two processes answer as fra-1 in turn (29 changes so far)',
      impact: 'fra-1 is two processes',
    })
    expect(rule.look(205_000).state).toBe('closed')
  })

  it('says nothing of what restarted while the collector did, and leaves what was open for its time', () => {
    const rule = play()
    rule.take(reading(0, 'run1')).take(reading(5_000, 'run2')).look(5_000)
    rule.restart()
    expect(rule.take(reading(20_000, 'run3')).look(20_000).state).toBe('hold')
    expect(rule.look(64_999).state).toBe('hold')
    expect(rule.look(65_000).state).toBe('closed')
  })

  it('ends in time although our clock was set back', () => {
    const rule = play()
    rule.take(reading(HOUR, 'run1')).take(reading(HOUR + 5_000, 'run2'))
    expect(rule.look(HOUR + 5_000).state).toBe('open')
    expect(rule.look(1_000).state).toBe('open')
    expect(rule.look(61_000).state).toBe('closed')
  })
})
