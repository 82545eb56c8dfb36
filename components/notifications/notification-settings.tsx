'use client'

import { useMay, useMe } from '../data/me.ts'
import { ChannelList } from './channel-list.tsx'
import { DeliveryTable } from './delivery-table.tsx'

/** Channels and deliveries, for administrators; others learn whom to ask. */
export function NotificationSettings() {
  const me = useMe()
  const admin = useMay('admin')
  if (!me.data) return null
  if (!admin)
    return (
      <p className="max-w-prose text-soft">
        Only administrators can see channels and send tests; your role is {me.data.role}. Who was notified of
        an incident is on its timeline.
      </p>
    )
  return (
    <>
      <ChannelList />
      <DeliveryTable />
    </>
  )
}
