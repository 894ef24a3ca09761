{{/* Names come from the release, so that two releases do not collide. 40 characters leave room for what is appended, and for the hash of a pod's name. */}}
{{- define "runlet.name" -}}
{{- .Values.nameOverride | default (ternary .Release.Name (printf "%s-runlet" .Release.Name) (contains "runlet" .Release.Name)) | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Namespaces are shared by the whole cluster, releases only by their namespace: so its name is part of this one, except where it would only be noise. */}}
{{- define "runlet.sandboxNamespace" -}}
{{- $namespace := .Release.Namespace -}}
{{- $prefix := ternary "" (printf "%s-" $namespace) (or (eq $namespace "default") (eq $namespace (include "runlet.name" .))) -}}
{{- .Values.sandboxes.namespace.name | default (printf "%s%s-sandboxes" $prefix (include "runlet.name" .) | trunc 63 | trimSuffix "-") -}}
{{- end -}}

{{/* Where executions share Jobs: beside the other, for their pods are of another shape. */}}
{{- define "runlet.nestedNamespace" -}}
{{- .Values.sandboxes.nested.name | default (printf "%s-nested" (include "runlet.sandboxNamespace" . | trunc 56 | trimSuffix "-")) -}}
{{- end -}}

{{- define "runlet.usesNested" -}}
{{- $uses := false -}}
{{- range .Values.languages -}}{{- if . -}}{{- if eq (.tier | default "job") "nested" -}}{{- $uses = true -}}{{- end -}}{{- end -}}{{- end -}}
{{ $uses }}
{{- end -}}

{{- define "runlet.chartLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: runlet
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* What never changes, for selectors. Call with (list $ "api"). */}}
{{- define "runlet.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: runlet
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Call with (list $ "api"). */}}
{{- define "runlet.labels" -}}
{{ include "runlet.selector" . }}
{{ include "runlet.chartLabels" (index . 0) }}
{{- end -}}

{{/* An image without a tag is one of ours: it gets the registry in front and the tag behind. Call with (list $ "runlet/service"). */}}
{{- define "runlet.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if or (contains "@" $image) (contains ":" (last (splitList "/" $image))) -}}
{{ $image }}
{{- else -}}
{{ with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* An image's name without its tag and digest. */}}
{{- define "runlet.repository" -}}
{{- $image := first (splitList "@" .) -}}
{{- $last := last (splitList "/" $image) -}}
{{- trimSuffix $last $image }}{{ first (splitList ":" $last) -}}
{{- end -}}

{{- define "runlet.serviceAccount" -}}
{{ include "runlet.name" (index . 0) }}-{{ index . 1 }}
{{- end -}}

{{- define "runlet.idsSecret" -}}
{{ .Values.executionIds.existingSecret | default (printf "%s-ids" (include "runlet.name" .)) }}
{{- end -}}

{{- define "runlet.rabbitmqSecret" -}}
{{ .Values.rabbitmq.existingSecret | default (printf "%s-rabbitmq" (include "runlet.name" .)) }}
{{- end -}}

{{/* A quantity of memory, as Kubernetes writes it, in bytes. */}}
{{- define "runlet.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{ mulf (float64 $number) (get $units (trimPrefix $number .) | default 1) | int64 }}
{{- end -}}

{{/* A quantity, so many times. Call with (list "500m" 4). */}}
{{- define "runlet.times" -}}
{{- $quantity := index . 0 -}}
{{- $quantity = ternary (printf "%.0f" $quantity) (toString $quantity) (kindIs "float64" $quantity) -}}
{{- $number := regexFind "^[0-9.]+" $quantity -}}
{{ if contains "." $number }}{{ mulf (float64 $number) (index . 1) }}{{ else }}{{ mul (int64 $number) (index . 1) }}{{ end }}{{ trimPrefix $number $quantity }}
{{- end -}}

{{/* What RabbitMQ lets our user touch: names with our prefix, in a form that needs no escape in JSON. */}}
{{- define "runlet.queuePermissions" -}}
^{{ .Values.queue.prefix | default "runlet." | replace "." "[.]" }}
{{- end -}}
