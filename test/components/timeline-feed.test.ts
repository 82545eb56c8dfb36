import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { afterEach, expect, it, vi } from 'vitest'
import type { TimelineData } from '@/components/data/timeline.ts'
import { TimelineFeed } from '@/components/data/timeline-feed.ts'
import type { FleetEvent } from '@/server/contract/events.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const at = new Date().toISOString()
const incident = { id: 'i1', regions: ['fra'], nodes: ['fra-1'], startedAt: at }
const losses = (count: number): FleetEvent[] =>
  Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    type: 'tunnel.lost',
    node: 'fra-1',
    region: 'fra',
    source: 'node',
    ...{ at, receivedAt: at, epoch: 'run1', seq: index + 1 },
    data: { hostId: `host-${index}`, code: 1006, reason: '', heldMs: 1, fence: 1 },
  })) as never

it.each([
  [100, 1],
  [6_000, 2],
])('after %i events that came while a timeline was read, reads it %i times in all', async (count, reads) => {
  const client = new QueryClient()
  const feed = new TimelineFeed(client)
  feed.start()
  client.setQueryData(['incident', 'i1'], incident)
  let read = 0
  const observer = new QueryObserver<TimelineData>(client, {
    queryKey: ['timeline', 'i1'],
    queryFn: async () => {
      const readAt = Date.now()
      read += 1
      if (read === 1) feed.take(losses(count))
      return { items: [], gaps: [], whole: true, readAt }
    },
  })
  closers.push(
    observer.subscribe(() => undefined),
    () => feed.stop(),
    () => client.clear(),
  )
  await vi.waitFor(() =>
    expect(client.getQueryData<TimelineData>(['timeline', 'i1'])?.items.length).toBeGreaterThan(99),
  )
  await vi.waitFor(() => expect(read).toBe(reads))
  await new Promise((done) => setTimeout(done, 50))
  expect(read).toBe(reads)
})
