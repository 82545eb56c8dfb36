'use client'

import { useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useEffect, useState } from 'react'
import type { Overview } from '@/server/contract/fleet.ts'
import { applyEvent, type CacheKey } from '../data/apply-event.ts'
import type { EventFilter } from '../data/event-filter.ts'
import { get } from '../data/http.ts'
import { LiveConnection } from '../data/live-connection.ts'
import { LiveContext, type LiveContextValue } from '../data/live-context.ts'
import { endSession, useSessionEnded } from '../data/session.ts'
import { Throttle } from '../data/throttle.ts'
import { KnownProvider } from './known-provider.tsx'

const REFETCH_EVERY_MS = 1000

/** Opens this tab's one socket, and carries what it says into the query cache. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const ended = useSessionEnded()
  const [{ value, throttle }] = useState(() => {
    const throttle = new Throttle(REFETCH_EVERY_MS)
    const cache = {
      get: (key: CacheKey) => client.getQueryData(key),
      eventLists: () =>
        client
          .getQueryCache()
          .findAll({ queryKey: ['events'] })
          .map((query) => ({ key: query.queryKey, filter: (query.queryKey[1] ?? {}) as EventFilter })),
    }
    const connection = new LiveConnection({
      open: () => new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`),
      onEnded: endSession,
      position: async () => {
        const overview = await get<Overview>('/overview')
        client.setQueryData(['overview'], overview)
        return overview.live
      },
      onFrame: (frame) => {
        for (const change of applyEvent(cache, frame)) {
          if (change.do === 'set') client.setQueryData(change.key, change.data)
          else
            throttle.run(JSON.stringify(change.key), () => client.invalidateQueries({ queryKey: change.key }))
        }
      },
    })
    const value: LiveContextValue = { connection }
    return { value, throttle }
  })

  useEffect(() => {
    value.connection.start()
    return () => {
      value.connection.stop()
      throttle.clear()
    }
  }, [value, throttle])

  // Signed in again in place: everything is asked for anew.
  const [wasEnded, setWasEnded] = useState(false)
  useEffect(() => {
    if (ended) {
      setWasEnded(true)
      value.connection.end()
    } else if (wasEnded) {
      setWasEnded(false)
      value.connection.restart()
      void client.invalidateQueries()
    }
  }, [ended, wasEnded, value, client])

  return (
    <LiveContext value={value}>
      <KnownProvider>{children}</KnownProvider>
    </LiveContext>
  )
}
