import Link from 'next/link'
import type { Tunnel } from '@/server/contract/fleet.ts'
import type { Column } from '../ui/data-table.tsx'
import { formatDuration } from '../ui/format.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { presenceText } from './presence-text.ts'
import { TunnelMark } from './tunnel-mark.tsx'

const LONG_GAP_MS = 10_000

/** What is shown of one host. */
export const TUNNEL_COLUMNS: readonly Column<Tunnel>[] = [
  {
    name: 'Host',
    stays: 'left',
    width: 'w-36',
    className: 'num font-medium',
    by: (tunnel) => tunnel.hostId,
    title: (tunnel) => tunnel.hostId,
    cell: (tunnel) => tunnel.hostId,
  },
  {
    name: 'State',
    width: 'w-32',
    by: (tunnel) => tunnel.state,
    cell: (tunnel) => <TunnelMark state={tunnel.state} />,
  },
  {
    name: 'Node',
    width: 'w-24',
    by: (tunnel) => tunnel.node,
    cell: (tunnel) => (
      <Link
        prefetch={false}
        href={`/nodes/${tunnel.node}`}
        className="num hover:underline"
        title={tunnel.previousNode ? `came from ${tunnel.previousNode}` : undefined}
      >
        {tunnel.node}
      </Link>
    ),
  },
  {
    name: 'For',
    width: 'w-28',
    by: (tunnel) => tunnel.since,
    cell: (tunnel) => <Time at={tunnel.since} as="for" />,
  },
  {
    name: 'Last gap',
    width: 'w-24',
    className: (tunnel) => `num ${(tunnel.lastGapMs ?? 0) > LONG_GAP_MS ? 'text-degraded' : ''}`,
    by: (tunnel) => tunnel.lastGapMs,
    cell: (tunnel) => formatDuration(tunnel.lastGapMs),
  },
  {
    name: 'Last close',
    by: (tunnel) => tunnel.lastCloseCode,
    title: (tunnel) => tunnel.lastCloseMeaning ?? undefined,
    cell: (tunnel) => (
      <>
        {tunnel.lastCloseCode === null ? (
          <span className="text-faint">never closed</span>
        ) : (
          <span className="num">{tunnel.lastCloseCode}</span>
        )}{' '}
        <span className="text-soft">{tunnel.lastCloseMeaning}</span>
      </>
    ),
  },
  {
    name: 'Presence',
    width: 'w-80',
    className: (tunnel) => (presenceText(tunnel).agrees ? 'text-soft' : 'text-degraded'),
    by: (tunnel) => presenceText(tunnel).text,
    title: (tunnel) => presenceText(tunnel).text,
    cell: (tunnel) => {
      const { agrees, text } = presenceText(tunnel)
      return (
        <>
          {!agrees && <StateGlyph shape="degraded" />} {text}
          {tunnel.presence.lastPongAt && (
            <>
              , pong <Time at={tunnel.presence.lastPongAt} as="ago" />
            </>
          )}
        </>
      )
    },
  },
]
