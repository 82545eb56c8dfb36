'use client'

import type { NotificationChannel } from '@/server/contract/answers/notification.ts'
import { errorText } from '../data/error-text.ts'
import { useChannels, useChannelTest } from '../data/notifications.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { plural } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { KIND_WORDS, paceWords, routeWords } from './channel-words.ts'
import { StateWords } from './delivery-state.tsx'

const NONE = (
  <>
    No channel yet, so nobody is notified. Add one under <code className="num">notify</code> in the
    configuration file, for example{' '}
    <code className="num break-words">
      {'notify: [ { name: team, kind: slack, url: "${SLACK_URL}", min: warning } ]'}
    </code>
    ; it is read at once.
  </>
)

/** The channels in force: what is sent to each, how its deliveries go, and a test. */
export function ChannelList() {
  const channels = useChannels(true)
  const items = channels.data?.items ?? []
  return (
    <Panel title="Channels" query={channels} empty={channels.data && items.length === 0 && NONE}>
      <ul>
        {items.map((channel) => (
          <ChannelRow key={channel.name} channel={channel} />
        ))}
      </ul>
    </Panel>
  )
}

function ChannelRow({ channel }: { channel: NotificationChannel }) {
  const { name, kind, target } = channel
  return (
    <li className="grid gap-x-6 gap-y-2 border-hairline border-t py-3 first:border-t-0 first:pt-0 sm:grid-cols-[13rem_minmax(0,1fr)_16rem]">
      <div className="min-w-0">
        <h3 className="font-medium">
          {name} <span className="font-normal text-faint">{KIND_WORDS[kind]}</span>
        </h3>
        <p className="num break-words text-soft">{target}</p>
      </div>
      <div className="min-w-0">
        <ChannelHealth channel={channel} />
        <p className="text-soft">{routeWords(channel)}</p>
        <p className="text-faint">{paceWords(channel)}</p>
      </div>
      <TestButton name={name} />
    </li>
  )
}

function ChannelHealth({ channel }: { channel: NotificationChannel }) {
  const { state, failingSince, lastError, lastSentAt, waiting } = channel
  const waits = waiting > 0 && <span className="text-soft">, {plural(waiting, 'message')} waiting</span>
  if (state === 'failing')
    return (
      <div>
        <p>
          <StateWords shape="down" words="does not arrive" /> since <Time at={failingSince} as="full" />
          {waits}
        </p>
        {lastError && <p className="break-words text-down">{lastError}</p>}
      </div>
    )
  if (state === 'unused')
    return (
      <p>
        <StateWords shape="unknown" words="not used yet" />
        {waits}
      </p>
    )
  return (
    <p>
      <StateWords shape="up" words="arrives" />, last <Time at={lastSentAt} as="ago" />
      {waits}
    </p>
  )
}

function TestButton({ name }: { name: string }) {
  const { mutate, data, error, isPending } = useChannelTest()
  return (
    <div className="grid content-start justify-items-start gap-1 sm:justify-items-end sm:text-right">
      <Button onClick={() => mutate(name)} disabled={isPending} aria-label={`Send a test by ${name}`}>
        {isPending ? 'Sending…' : 'Send a test'}
      </Button>
      <p
        aria-live="polite"
        className={`min-w-0 break-words ${error || data?.state === 'failed' ? 'text-down' : 'text-soft'}`}
      >
        {error
          ? errorText(error)
          : data &&
            (data.state === 'sent'
              ? `Accepted: ${data.answer ?? 'without a word'}`
              : `Not accepted: ${data.lastError}`)}
      </p>
    </div>
  )
}
