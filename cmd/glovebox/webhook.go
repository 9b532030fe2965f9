package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"glovebox/internal/secret"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
	"glovebox/internal/webhook"
)

func newWebhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Say where a tenant is told that what was accepted has ended",
		Long: `A tenant's webhook is a URL to which glovebox serve posts when an execution, or a run of an agent, has ended that it had accepted:
sent with Prefer: respond-async or an Idempotency-Key, or in a batch. What is posted tells which and how, and no code or data. It is signed with the
webhook's secret (HMAC-SHA256, as standardwebhooks.com has it), and sent again, for up to a day, until it is answered with 2xx.`,
		Args: noVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWebhookSetCommand(), newWebhookShowCommand(), newWebhookRotateCommand(), newWebhookRemoveCommand())
	return cmd
}

// tellWebhook prints what is known of a webhook: its secret too, where it was made just now.
func tellWebhook(cmd *cobra.Command, w tenant.Webhook, fresh secret.Secret, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), struct {
			tenant.Webhook
			Text string `json:"secret,omitempty"`
		}{w, fresh.Reveal()})
	}
	if fresh.IsZero() {
		rows := [][]string{{"tenant", w.Tenant}, {"url", w.URL}, {"set", timeText(w.CreatedAt, "unknown")}}
		if time.Now().Before(w.PreviousUntil) {
			rows = append(rows, []string{"previous secret", "signs until " + timeText(w.PreviousUntil, "")})
		}
		return printTable(cmd.OutOrStdout(), rows)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), fresh.Reveal())
	return outputError(err)
}

// noWebhook says how to make one, where there is none.
func noWebhook(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: glovebox tenant webhook set %s URL makes one", err, id)
	}
	return err
}

func newWebhookSetCommand() *cobra.Command {
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set TENANT URL",
		Short: "Give a tenant a webhook, and show its secret this once",
		Long: `Sets a tenant's webhook, in place of one that it may have, and prints its secret on standard output, alone on its line, this once. What an
earlier one has not delivered yet goes to the new one, signed with the new secret. The server posts to https and to public addresses alone, unless it runs
with --webhook-allow-private; it follows no redirect.`,
		Example: `  glovebox tenant webhook set acme https://example.com/glovebox > acme.secret`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := tenant.Webhook{
				Tenant: args[0], URL: args[1], CreatedAt: time.Now().UTC().Truncate(time.Microsecond), Secret: tenant.NewWebhookSecret(),
			}
			if err := w.Validate(); err != nil {
				return usageError("%v", err)
			}
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				if err := s.SetWebhook(ctx, w); err != nil {
					return err
				}
				if !asJSON {
					fmt.Fprintf(cmd.ErrOrStderr(), "webhook of %s: %s. Its secret is shown this once:\n", w.Tenant, w.URL)
				}
				if strings.HasPrefix(w.Origin(), "http:") {
					fmt.Fprintln(cmd.ErrOrStderr(), "it is no https: the server posts there with --webhook-allow-private alone")
				} else if err := webhook.JudgeURL(w.URL); err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "%v: the server posts there with --webhook-allow-private alone\n", err)
				}
				return tellWebhook(cmd, w, w.Secret, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the webhook and its secret as JSON")
	data.register(cmd.Flags())
	return cmd
}

func newWebhookShowCommand() *cobra.Command {
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show TENANT",
		Short: "Show a tenant's webhook, without its secret",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				w, err := s.Webhook(ctx, args[0])
				if err != nil {
					return noWebhook(args[0], err)
				}
				return tellWebhook(cmd, w, secret.Secret{}, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the webhook as JSON")
	data.register(cmd.Flags())
	return cmd
}

// webhookOverlap is how long a secret that was rotated away goes on to sign: the receiver can change over meanwhile.
const webhookOverlap = 24 * time.Hour

func newWebhookRotateCommand() *cobra.Command {
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate TENANT",
		Short: "Give a webhook another secret, and show it this once",
		Long: `Makes another secret for a tenant's webhook and prints it as set does. For a day what is posted is signed with both, so that the
receiver may change over when it likes. Where the secret has become known to others, remove the webhook and set it again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				until := time.Now().Add(webhookOverlap).UTC().Truncate(time.Microsecond)
				w, err := s.RotateWebhook(ctx, args[0], tenant.NewWebhookSecret(), until)
				if err != nil {
					return noWebhook(args[0], err)
				}
				if !asJSON {
					fmt.Fprintf(cmd.ErrOrStderr(), "webhook of %s: the previous secret signs too until %s. The new one is shown this once:\n",
						w.Tenant, timeText(until, ""))
				}
				return tellWebhook(cmd, w, w.Secret, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the webhook and its new secret as JSON")
	data.register(cmd.Flags())
	return cmd
}

func newWebhookRemoveCommand() *cobra.Command {
	var data dataFlags
	cmd := &cobra.Command{
		Use:   "remove TENANT",
		Short: "Forget a tenant's webhook, its secret and what it has not delivered",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				if err := s.RemoveWebhook(ctx, args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "the webhook of", args[0], "is removed, with what it had not delivered")
				return outputError(err)
			})
		},
	}
	data.register(cmd.Flags())
	return cmd
}
