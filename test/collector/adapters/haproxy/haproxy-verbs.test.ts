import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { HaproxyAdapter } from '../../../../server/collector/adapters/haproxy/adapter.ts'
import type { HaproxyTarget } from '../../../../server/collector/adapters/haproxy/target.ts'
import { ask, freePort, hasHaproxy, preamble, startHaproxy, startOrigin } from './haproxy.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 50 })
const adapterFor = (): HaproxyAdapter => {
  const adapter = new HaproxyAdapter({ timeoutMs: 3_000, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  return adapter
}
const ORDER = { drainId: 'd1', reason: 'kernel', mode: 'hold', onDeadline: 'wait', initiator: 'ana' } as const
const BACK = { drainId: 'd1', version: 2, reason: 'done', initiator: 'ana' } as const

/** Two servers that answer by their names, behind two frontends, one without a socket, and a page of statistics. */
const start = async () => {
  const [one, two] = [await startOrigin('one'), await startOrigin('two')]
  closers.push(
    () => one.close(),
    () => two.close(),
  )
  const [port, other, page] = [await freePort(), await freePort(), await freePort()]
  const haproxy = await startHaproxy(
    (folder) => `${preamble(folder, `stats socket ${folder}/op.sock level operator`)}
frontend site
  bind 127.0.0.1:${port}
  default_backend web
frontend shop
  bind 127.0.0.1:${other}
  default_backend web
frontend nowhere
  default_backend web
frontend stats
  bind 127.0.0.1:${page}
  stats enable
  stats uri /
backend web
  server web-1 127.0.0.1:${one.port}
  server web-2 127.0.0.1:${two.port}
`,
  )
  closers.push(() => haproxy.close())
  const node = (more: Partial<HaproxyTarget> = {}): HaproxyTarget => ({
    id: 'web-1',
    region: 'fra',
    kind: 'haproxy',
    url: `unix:${haproxy.socket}`,
    socket: haproxy.socket,
    embedded: false,
    ...more,
  })
  const verbsOf = (target: HaproxyTarget, adapter = adapterFor()) => {
    const verbs = adapter.drains(() => target)
    const facts = async () => {
      const seen = await verbs.observe()
      if (seen.facts === null) throw new Error(JSON.stringify(seen))
      return seen.facts
    }
    return { verbs, facts }
  }
  /** Which servers answered some requests. */
  const served = async (count = 6) => {
    const answers = new Set<string>()
    for (let asked = 0; asked < count; asked += 1) answers.add(await ask(port))
    return [...answers].sort()
  }
  return { one, two, port, other, page, haproxy, node, verbsOf, served }
}

/** A connection on which nothing is asked. */
const hold = (port: number): Socket => {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => socket.destroy())
  closers.push(() => void socket.destroy())
  return socket
}

describe.skipIf(!hasHaproxy)('one server behind HAProxy', () => {
  it('is drained to empty while a client holds a session, and takes traffic again when it is back', async () => {
    const { one, two, port, node, verbsOf, served } = await start()
    const { verbs, facts } = verbsOf(node({ backend: 'web', server: 'web-1' }))
    expect(verbs.verb).toBe('set server web/web-1 state drain')
    expect(await served()).toEqual(['one', 'two'])
    one.hold()
    two.hold()
    const held = [ask(port), ask(port)]
    await eventually(() => expect([one.held, two.held]).toEqual([1, 1]))
    two.release()
    expect(await verbs.drain(ORDER)).toEqual({ kind: 'accepted' })
    expect(await verbs.drain(ORDER)).toEqual({ kind: 'accepted' })
    expect(await served()).toEqual(['two'])
    expect(await facts()).toMatchObject({ state: 'draining', gauges: { connections: 1 }, drain: null })
    one.release()
    expect((await Promise.all(held)).sort()).toEqual(['one', 'two'])
    await eventually(async () =>
      expect(await facts()).toMatchObject({
        state: 'drained',
        gauges: { connections: 0, requests_pending: 0 },
      }),
    )
    expect(await served()).toEqual(['two'])
    expect(await verbs.resume(BACK)).toEqual({ kind: 'accepted' })
    expect(await verbs.resume(BACK)).toEqual({ kind: 'accepted' })
    expect(await verbs.ready?.(BACK)).toEqual({ kind: 'accepted' })
    expect((await facts()).state).toBe('serving')
    expect(await served()).toEqual(['one', 'two'])
  })

  it('says what somebody sets by hand while it is drained, and is drained again when asked again', async () => {
    const { haproxy, node, verbsOf, served } = await start()
    const { verbs, facts } = verbsOf(node({ backend: 'web', server: 'web-1' }))
    await verbs.drain(ORDER)
    expect((await facts()).problems).toEqual([])
    await haproxy.type('set server web/web-1 state ready')
    expect(await facts()).toMatchObject({
      state: 'serving',
      problems: ['server web/web-1 was taken out of service here, and somebody else brought it back'],
    })
    expect(await verbs.drain(ORDER)).toEqual({ kind: 'accepted' })
    expect((await facts()).state).toBe('drained')
    expect(await served()).toEqual(['two'])
    await verbs.resume(BACK)
    await facts()
    await haproxy.type('set server web/web-1 state maint')
    expect(await facts()).toMatchObject({
      state: 'drained',
      problems: ['server web/web-1 was brought back here, and somebody else took it out of service'],
    })
  })

  it('that somebody has put into maintenance is left there by a drain', async () => {
    const { haproxy, node, verbsOf } = await start()
    const { verbs, facts } = verbsOf(node({ backend: 'web', server: 'web-1' }))
    await haproxy.type('set server web/web-1 state maint')
    expect(await verbs.drain(ORDER)).toEqual({ kind: 'accepted' })
    expect((await facts()).state).toBe('drained')
    expect(await haproxy.type('show servers state web')).toMatch(/ web-1 127\.0\.0\.1 0 1 /)
  })

  it('is refused in words where there is no such server any more, and unheard where HAProxy is gone', async () => {
    const { haproxy, node, verbsOf } = await start()
    const other = verbsOf(node({ backend: 'web', server: 'web-9' }))
    expect(await other.verbs.drain(ORDER)).toEqual({
      kind: 'refused',
      why: 'web-1: HAProxy has no server web-9 in backend web',
    })
    const { verbs } = verbsOf(node({ backend: 'web', server: 'web-1' }))
    await haproxy.kill()
    for (const asked of [await verbs.drain(ORDER), await verbs.resume(BACK), await verbs.ready?.(BACK)])
      expect(asked).toEqual({ kind: 'unheard', why: expect.stringContaining('HAProxy does not run') })
    expect(await verbs.observe()).toEqual({ facts: null, silent: true, refused: true })
  })

  it('that is asked by a new process after a reload serves, and is told again', async () => {
    const { haproxy, node, verbsOf, served } = await start()
    const { verbs, facts } = verbsOf(node({ backend: 'web', server: 'web-1' }))
    await verbs.drain(ORDER)
    const { epoch } = await facts()
    await haproxy.reload()
    const after = await facts()
    expect(after).toMatchObject({ state: 'serving', problems: [] })
    expect(after.epoch).not.toBe(epoch)
    await verbs.drain(ORDER)
    expect(await served()).toEqual(['two'])
  })

  it('cannot be drained through a socket that allows only reading, and says which word is missing', async () => {
    const { haproxy, node, verbsOf } = await start()
    const adapter = adapterFor()
    const target = node({ backend: 'web', server: 'web-1', socket: haproxy.path('op.sock') })
    const { verbs } = verbsOf(target, adapter)
    for (const asked of [await verbs.drain(ORDER), await verbs.resume(BACK)])
      expect(asked).toEqual({
        kind: 'refused',
        why: 'web-1: its runtime API allows only reading (level operator); write `level admin` in its `stats socket` line to have it drained',
      })
    expect((await adapter.probe(target)).facts).toMatchObject({ ok: true, problems: [] })
    // Known from the first poll on, so that a plan says it before anything is tried.
    expect(verbs.hindrance).toBe(
      'web-1: its runtime API allows only reading (level operator); write `level admin` in its `stats socket` line to have it drained',
    )
  })
})

describe.skipIf(!hasHaproxy)('a whole HAProxy', () => {
  it('lets go of its ports, finishes what is open, and opens them again', async () => {
    const { one, two, port, other, page, node, verbsOf, served } = await start()
    const { verbs, facts } = verbsOf(node())
    expect(verbs.verb).toBe('disable frontend, for each frontend but stats')
    one.hold()
    two.hold()
    const held = ask(port)
    await eventually(() => expect(one.held + two.held).toBe(1))
    expect(await verbs.drain(ORDER)).toMatchObject({ kind: 'accepted' })
    expect(await verbs.drain(ORDER)).toMatchObject({ kind: 'accepted' })
    expect(await facts()).toMatchObject({ state: 'draining', gauges: { connections: 1 } })
    expect([await ask(port), await ask(other)]).toEqual(['', ''])
    // The statistics stay, and whoever looks at them is not waited for.
    hold(page)
    one.release()
    two.release()
    expect(await held).toMatch(/^(one|two)$/)
    await eventually(async () =>
      expect(await facts()).toMatchObject({ state: 'drained', gauges: { connections: 0 } }),
    )
    expect(await verbs.resume(BACK)).toEqual({ kind: 'accepted' })
    expect(await verbs.ready?.(BACK)).toEqual({ kind: 'accepted' })
    expect(await facts()).toMatchObject({ state: 'serving', problems: [] })
    expect(await served()).toEqual(['one', 'two'])
    expect(await ask(other)).toMatch(/^(one|two)$/)
  })

  it('opens only what a drain has closed, also after a restart of the collector by what was kept', async () => {
    const { haproxy, port, other, node, verbsOf } = await start()
    const { verbs, facts } = verbsOf(node())
    await haproxy.type('disable frontend shop')
    expect((await facts()).problems).toEqual(['1 frontend is disabled: shop'])
    // Of one that nobody drained nothing is opened.
    expect(await verbs.ready?.(BACK)).toEqual({ kind: 'accepted' })
    expect(await ask(other)).toBe('')
    const asked = await verbs.drain(ORDER)
    expect((await facts()).state).toBe('drained')
    await verbs.resume(BACK)
    expect([(await ask(port)) !== '', await ask(other)]).toEqual([true, ''])
    await verbs.drain(ORDER)
    const kept = asked.kind === 'accepted' ? asked.kept : undefined
    expect(kept).toContain('site')
    await verbsOf(node()).verbs.resume({ ...BACK, ...(kept === undefined ? {} : { kept }) })
    expect([(await ask(port)) !== '', await ask(other)]).toEqual([true, ''])
  })

  it.each([undefined, 'nonsense', '{"epoch":"another","disabled":["site"]}'])(
    'opens all of them where nobody knows which a drain has closed: %s',
    async (kept) => {
      const { port, other, node, verbsOf } = await start()
      await verbsOf(node()).verbs.drain(ORDER)
      const later = verbsOf(node()).verbs
      // It is asked to go once more, and finds nothing open.
      await later.drain(ORDER)
      expect(await later.resume({ ...BACK, ...(kept === undefined ? {} : { kept }) })).toEqual({
        kind: 'accepted',
      })
      expect(await ask(port)).not.toBe('')
      expect(await ask(other)).not.toBe('')
    },
  )

  it('is asked once more for a frontend that stayed closed', async () => {
    const { haproxy, port, node, verbsOf } = await start()
    const { verbs } = verbsOf(node())
    await verbs.drain(ORDER)
    await haproxy.type('enable frontend shop')
    expect(await verbs.ready?.(BACK)).toEqual({
      kind: 'refused',
      why: 'web-1 is back but for 1 frontend: site',
    })
    expect(await verbs.ready?.(BACK)).toEqual({ kind: 'accepted' })
    expect(await ask(port)).not.toBe('')
  })

  it('of three hundred frontends is drained by lines that HAProxy takes', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `frontend-with-a-long-name-for-site-${index}`)
    const haproxy = await startHaproxy(
      (folder) =>
        `${preamble(folder)}\n${names.map((name) => `frontend ${name}\n  bind unix@${folder}/${name.slice(-8)}.s\n`).join('')}`,
    )
    closers.push(() => haproxy.close())
    const target: HaproxyTarget = {
      id: 'edge-1',
      region: 'fra',
      kind: 'haproxy',
      url: `unix:${haproxy.socket}`,
      socket: haproxy.socket,
      embedded: false,
    }
    const verbs = adapterFor().drains(() => target)
    expect(await verbs.drain(ORDER)).toMatchObject({ kind: 'accepted' })
    expect(await verbs.observe()).toMatchObject({ facts: { state: 'drained' } })
  })
})
