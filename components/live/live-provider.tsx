'use client'

import { useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useEffect, useState } from 'react'
import type { Overview } from '@/server/contract/fleet.ts'
import { CacheWriter } from '../data/cache-writer.ts'
import { get } from '../data/http.ts'
import { LiveConnection } from '../data/live-connection.ts'
import { LiveContext, type LiveContextValue } from '../data/live-context.ts'
import { endSession, useSessionEnded } from '../data/session.ts'
import { KnownProvider } from './known-provider.tsx'

/** Opens this tab's one socket, and puts what it delivers into the query cache. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const ended = useSessionEnded()
  const [{ value, writer }] = useState(() => {
    const writer = new CacheWriter(client)
    const connection = new LiveConnection({
      open: () => new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`),
      onEnded: endSession,
      position: async () => {
        const overview = await get<Overview>('/overview')
        client.setQueryData(['overview'], overview)
        return overview.live
      },
      onFrame: (frame) => writer.write(frame),
    })
    const value: LiveContextValue = { connection }
    return { value, writer }
  })

  useEffect(() => {
    writer.start()
    value.connection.start()
    const wake = () => {
      if (document.visibilityState === 'visible') value.connection.wake()
    }
    document.addEventListener('visibilitychange', wake)
    window.addEventListener('online', wake)
    return () => {
      document.removeEventListener('visibilitychange', wake)
      window.removeEventListener('online', wake)
      value.connection.stop()
      writer.stop()
    }
  }, [value, writer])

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
