import { DrainPageContent } from '@/components/drains/drain-page-content.tsx'

export default async function DrainPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params
  return <DrainPageContent id={id} />
}
