import { afterEach, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { Webhooks } from '../../../../server/collector/adapters/webhook/webhooks.ts'
import { SECRET, startReceiver } from './receiver.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const start = async () => {
  const receiver = await startReceiver()
  const webhooks = new Webhooks({ rules: createAddressRules([]), now: Date.now })
  closers.push(receiver.close, () => webhooks.close())
  const verbsOf = (id: string) =>
    webhooks.verbs(
      () => ({ id, region: 'fra', kind: 'http', url: 'http://x', embedded: false }),
      { url: receiver.url, secret: SECRET },
      () => Promise.reject(new Error('it is not looked at here')),
    )
  return { receiver, webhooks, verbsOf }
}
const order = {
  drainId: 'd1',
  reason: 'disks',
  initiator: 'ana',
  mode: 'hold',
  deadlineSeconds: 60,
  onDeadline: 'wait',
} as const
const ACCEPTED = { kind: 'accepted' }

it('forgets the wishes of a node whose drain has ended, or that left', async () => {
  const { webhooks, verbsOf } = await start()
  for (const id of ['web-1', 'web-2']) await expect.poll(() => verbsOf(id).drain(order)).toEqual(ACCEPTED)
  expect(webhooks.remembered).toBe(2)
  verbsOf('web-1').forget?.()
  expect(webhooks.remembered).toBe(1)
  verbsOf('web-2').forget?.()
  expect(webhooks.remembered).toBe(0)
})

it('waits for a call that is under way also where it was forgotten: a drain never overtakes the resume', async () => {
  const { receiver, webhooks, verbsOf } = await start()
  const held: (() => void)[] = []
  receiver.answer = (response) => held.push(() => response.end('{}'))
  const verbs = verbsOf('web-1')
  expect(await verbs.drain(order)).toMatchObject({ kind: 'unheard' })
  await expect.poll(() => held.length).toBe(1)
  verbs.forget?.()
  const back = { drainId: 'd1', version: 2, reason: 'done', initiator: 'ana' }
  expect(await verbs.resume(back)).toEqual({
    kind: 'unheard',
    why: 'an earlier call for web-1 is still under way',
  })
  receiver.answer = null
  held[0]?.()
  await expect.poll(() => verbs.resume(back)).toEqual(ACCEPTED)
  expect(receiver.deliveries.map(({ body }) => body.action)).toEqual(['drain', 'resume'])
  verbs.forget?.()
  expect(webhooks.remembered).toBe(0)
})
