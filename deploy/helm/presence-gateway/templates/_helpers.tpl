{{/* The name of what is made, unless values say otherwise: the release's, with the chart's unless it is in there. */}}
{{- define "presence-gateway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 57 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 57 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 57 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What never changes about a release: by this its pods are found. */}}
{{- define "presence-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "presence-gateway.labels" -}}
{{ include "presence-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "presence-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "presence-gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "presence-gateway.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Whether XPhone is spoken to over net.tcp, where there is no log-in; `true` or nothing. */}}
{{- define "presence-gateway.netTcp" -}}
{{- if eq (toString (get .Values.settings.xphone "transport")) "net-tcp" -}}true{{- end -}}
{{- end -}}

{{/* Which setting each entry of `secrets` that is used is; as YAML, so that one place says it. */}}
{{- define "presence-gateway.secretSettings" -}}
databaseUrl: DATABASE__URL
secretsKey: SECRETS__KEY
secretsPreviousKeys: SECRETS__PREVIOUS_KEYS
{{- if not (include "presence-gateway.netTcp" .) }}
xphonePassword: XPHONE__PASSWORD
{{- end }}
graphClientSecret: GRAPH__CLIENT_SECRET
graphClientCertificate: GRAPH__CLIENT_CERTIFICATE
graphClientKey: GRAPH__CLIENT_KEY
adminBootstrapToken: ADMIN__BOOTSTRAP_TOKEN
{{- end -}}

{{/* A scalar as the environment spells it: whole numbers without an exponent. */}}
{{- define "presence-gateway.scalar" -}}
{{- if kindIs "float64" . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Variables for the settings of a section and of the sections in it; those without a value are left out. */}}
{{- define "presence-gateway.settings" -}}
{{- $path := .path -}}
{{- range $name, $value := .settings }}
{{- if kindIs "map" $value }}
{{- include "presence-gateway.settings" (dict "path" (printf "%s__%s" $path (upper $name)) "settings" $value) }}
{{- else if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: {{ printf "%s__%s" $path (upper $name) }}
  value: {{ include "presence-gateway.scalar" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the admin listener speaks. */}}
{{- define "presence-gateway.adminScheme" -}}
{{- if get .Values.settings.http "admin_tls_certificate_file" -}}HTTPS{{- else -}}HTTP{{- end -}}
{{- end -}}

{{/* The settings of every container of ours. */}}
{{- define "presence-gateway.environment" -}}
- name: GATEWAY__HTTP__PUBLIC_LISTEN
  value: "0.0.0.0:8080"
- name: GATEWAY__HTTP__ADMIN_LISTEN
  value: "0.0.0.0:8081"
{{- range $section, $settings := .Values.settings }}
{{- include "presence-gateway.settings" (dict "path" (printf "GATEWAY__%s" (upper $section)) "settings" $settings) }}
{{- end }}
{{- $entries := .Values.secrets }}
{{- range $entry, $setting := include "presence-gateway.secretSettings" . | fromYaml }}
{{- if (get $entries $entry).key }}
- name: GATEWAY__{{ $setting }}_FILE
  value: /etc/presence-gateway/secrets/{{ $entry }}
{{- end }}
{{- end }}
{{- if .Values.workloadIdentity.enabled }}
- name: GATEWAY__GRAPH__FEDERATED_TOKEN_FILE
  value: /var/run/presence-gateway/entra/token
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "presence-gateway.volumeMounts" -}}
- name: secrets
  mountPath: /etc/presence-gateway/secrets
  readOnly: true
{{- if .Values.workloadIdentity.enabled }}
- name: entra-token
  mountPath: /var/run/presence-gateway/entra
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "presence-gateway.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- $existing := .Values.existingSecret }}
      {{- range $entry, $_ := include "presence-gateway.secretSettings" . | fromYaml }}
      {{- $secret := get $.Values.secrets $entry }}
      {{- if $secret.key }}
      - secret:
          name: {{ required (printf "existingSecret, or secrets.%s.existingSecret, must name a Secret made beforehand" $entry) (default $existing $secret.existingSecret) }}
          items:
            - key: {{ $secret.key | quote }}
              path: {{ $entry }}
      {{- end }}
      {{- end }}
{{- if .Values.workloadIdentity.enabled }}
- name: entra-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          audience: {{ .Values.workloadIdentity.audience }}
          expirationSeconds: {{ int64 .Values.workloadIdentity.expirationSeconds }}
          path: token
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Nobody's rights: what the Pod Security Standard "restricted" asks, and a file system that cannot be written. */}}
{{- define "presence-gateway.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "presence-gateway.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What no schema can tell: complaints about values that do not go together. */}}
{{- define "presence-gateway.check" -}}
{{- $s := .Values.secrets -}}
{{- $ways := 0 -}}
{{- if $s.graphClientSecret.key }}{{ $ways = add $ways 1 }}{{ end -}}
{{- if or $s.graphClientCertificate.key $s.graphClientKey.key }}{{ $ways = add $ways 1 }}{{ end -}}
{{- if .Values.workloadIdentity.enabled }}{{ $ways = add $ways 1 }}{{ end -}}
{{- if ne $ways 1 -}}
{{- fail "exactly one of secrets.graphClientSecret, secrets.graphClientCertificate with secrets.graphClientKey, and workloadIdentity must be used" -}}
{{- end -}}
{{- if ne (empty $s.graphClientCertificate.key) (empty $s.graphClientKey.key) -}}
{{- fail "secrets.graphClientCertificate and secrets.graphClientKey go together" -}}
{{- end -}}
{{- $all := list "graph.tenant_id" "graph.client_id" -}}
{{- if include "presence-gateway.netTcp" . -}}
{{- $all = append $all "xphone.net_tcp.address" -}}
{{- $address := dig "net_tcp" "address" "" .Values.settings.xphone | toString -}}
{{- $port := regexFind ":[0-9]+/?$" $address | trimPrefix ":" | trimSuffix "/" | default "3344" | int -}}
{{- $open := list -}}
{{- range .Values.networkPolicy.egressPorts }}{{ $open = append $open (int .) }}{{ end -}}
{{- if and .Values.networkPolicy.enabled (empty .Values.networkPolicy.extraEgress) (not (has $port $open)) -}}
{{- fail (printf "networkPolicy.egressPorts, or extraEgress, must let the gateway reach XPhone's port %d" $port) -}}
{{- end -}}
{{- else -}}
{{- $all = concat $all (list "xphone.base_url" "xphone.account_name") -}}
{{- if empty $s.xphonePassword.key }}{{ fail "secrets.xphonePassword.key is needed" }}{{ end -}}
{{- end -}}
{{- range $needed := $all -}}
{{- $value := $.Values.settings -}}
{{- range $name := splitList "." $needed }}{{ $value = get ($value | default dict) $name }}{{ end -}}
{{- if empty $value -}}
{{- fail (printf "settings.%s is needed" $needed) -}}
{{- end -}}
{{- end -}}
{{- $push := get .Values.settings.graph "push" -}}
{{- if and (empty .Values.settings.http.public_url) (ne (toString $push) "false") -}}
{{- fail "settings.http.public_url is needed, or settings.graph.push must be false" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (empty .Values.networkPolicy.adminFrom) -}}
{{- fail "serviceMonitor.enabled needs Prometheus in networkPolicy.adminFrom: it would find the port closed" -}}
{{- end -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopSleepSeconds) 31 | int) -}}
{{- fail "terminationGracePeriodSeconds must be more than preStopSleepSeconds and the 30 s of a soft stop together" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (gt (int .Values.replicaCount) 1) (ge (int .Values.podDisruptionBudget.minAvailable) (int .Values.replicaCount)) -}}
{{- fail "podDisruptionBudget.minAvailable must be less than replicaCount: no node could ever be drained" -}}
{{- end -}}
{{- end -}}
