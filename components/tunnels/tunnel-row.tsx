'use client'

import Link from 'next/link'
import type { Tunnel } from '@/server/contract/fleet.ts'
import { useKnown } from '../data/known.ts'
import { formatDuration } from '../ui/format.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { presenceText } from './presence-text.ts'

const LONG_GAP_MS = 10_000

/** One host. */
export function TunnelRow({
  tunnel,
  index,
  onKick,
}: {
  tunnel: Tunnel
  index: number
  onKick?: (tunnel: Tunnel) => void
}) {
  const { known } = useKnown()
  const lost = tunnel.state === 'lost'
  const presence = presenceText(tunnel)
  return (
    <tr aria-rowindex={index + 2} data-host={tunnel.hostId}>
      <td className="num font-medium" title={tunnel.hostId}>
        {tunnel.hostId}
      </td>
      <td>
        <span
          className={`inline-flex items-center gap-1.5 font-medium ${known ? (lost ? 'text-down' : 'text-up') : 'text-unknown'}`}
          data-tunnel-state={tunnel.state}
        >
          <StateGlyph shape={known ? (lost ? 'down' : 'up') : 'unknown'} />
          {!known && 'was '}
          {tunnel.state}
        </span>
      </td>
      <td>
        <Link
          href={`/nodes/${tunnel.node}`}
          className="num hover:underline"
          title={tunnel.previousNode ? `came from ${tunnel.previousNode}` : undefined}
        >
          {tunnel.node}
        </Link>
      </td>
      <td>
        <Time at={tunnel.since} as="for" />
      </td>
      <td className={`num ${(tunnel.lastGapMs ?? 0) > LONG_GAP_MS ? 'text-degraded' : ''}`}>
        {formatDuration(tunnel.lastGapMs)}
      </td>
      <td title={tunnel.lastCloseMeaning ?? undefined}>
        {tunnel.lastCloseCode === null ? (
          <span className="text-faint">never closed</span>
        ) : (
          <span className="num">{tunnel.lastCloseCode}</span>
        )}{' '}
        <span className="text-soft">{tunnel.lastCloseMeaning}</span>
      </td>
      <td className={presence.agrees ? 'text-soft' : 'text-degraded'} title={presence.text}>
        {!presence.agrees && <StateGlyph shape="degraded" />} {presence.text}
        {tunnel.presence.lastPongAt && (
          <>
            , pong <Time at={tunnel.presence.lastPongAt} as="ago" />
          </>
        )}
      </td>
      <td className="text-right">
        {onKick && !lost && (
          <button
            type="button"
            onClick={() => onKick(tunnel)}
            aria-label={`Kick ${tunnel.hostId}`}
            className="min-h-7 rounded-[3px] px-2 text-accent hover:bg-accent-wash"
          >
            Kick…
          </button>
        )}
      </td>
    </tr>
  )
}
