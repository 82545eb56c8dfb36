'use client'

import { QueryClientProvider } from '@tanstack/react-query'
import { NuqsAdapter } from 'nuqs/adapters/next/app'
import { type ReactNode, useState } from 'react'
import { createQueryClient } from '../data/query-client.ts'
import { Notices } from '../ui/notices.tsx'

export function Providers({ children }: { children: ReactNode }) {
  const [client] = useState(createQueryClient)
  return (
    <NuqsAdapter>
      <QueryClientProvider client={client}>
        {children}
        <Notices />
      </QueryClientProvider>
    </NuqsAdapter>
  )
}
