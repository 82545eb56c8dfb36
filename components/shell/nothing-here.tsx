'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { buttonClass } from '../ui/button.tsx'
import { PageHeading } from '../ui/page-heading.tsx'

const KINDS: Record<string, { word: string; list: string; listed: string; why: string }> = {
  nodes: {
    word: 'node',
    list: '/nodes',
    listed: 'All nodes',
    why: 'It may have been taken out of the configuration, or the link is mistyped.',
  },
  regions: {
    word: 'region',
    list: '/regions',
    listed: 'All regions',
    why: 'It may have been taken out of the configuration, or the link is mistyped.',
  },
  drains: {
    word: 'drain',
    list: '/drains',
    listed: 'All drains',
    why: 'The link may be mistyped, or be of another installation.',
  },
  incidents: {
    word: 'incident',
    list: '/incidents',
    listed: 'All incidents',
    why: 'The link may be mistyped, or be of another installation; very old incidents are removed.',
  },
}

const readable = (id: string): string => {
  try {
    return decodeURIComponent(id)
  } catch {
    return id // not a well-formed escape: shown as it was typed
  }
}

/** Names what was asked for and does not exist, and shows where to go instead. */
export function NothingHere() {
  const [kind = '', id = ''] = usePathname().split('/').filter(Boolean)
  const known = KINDS[kind]
  if (!known || !id)
    return (
      <PageHeading
        title="There is no such page"
        intro="The address may be from an older version, or mistyped."
      />
    )
  return (
    <PageHeading
      title={`There is no ${known.word} ${readable(id).slice(0, 80)}`}
      intro={known.why}
      aside={
        <Link href={known.list} className={buttonClass()}>
          {known.listed}
        </Link>
      }
    />
  )
}
