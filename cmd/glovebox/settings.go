package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"glovebox/internal/config"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
)

// Settings are those flags that a variable or a file may give as well: every flag of serve, and of other commands those that say the
// same as one of serve's, or where a server is. What is said anew with each command is none.

// configFlag names the file.
const configFlag = "config"

// otherVariables are those that stand for no setting. A name that ends with an underscore stands for all that begin so.
var otherVariables = []string{
	config.Variable(configFlag),
	envKey,
	oci.EnvRuntimeDir,                                                                                 // where runtimes are looked for first
	"GLOVEBOX_REQUIRE", "GLOVEBOX_SOAK", "GLOVEBOX_MEASURE", "GLOVEBOX_TEST_", "GLOVEBOX_DRIVERTEST_", // of tests
}

// addSettings makes settings of all of serve's flags, and gives every command that has settings a flag for the file. It
// is called when all commands are there.
func addSettings(root *cobra.Command) {
	serve, _, _ := root.Find([]string{"serve"})
	var names []string
	serve.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	config.Mark(serve.Flags(), names...)
	show, _, _ := root.Find([]string{"config"})
	config.Mark(show.Flags(), names...)
	eachCommand(root, func(cmd *cobra.Command) {
		if len(settingsOf(cmd)) > 0 {
			cmd.Flags().String(configFlag, "", "`FILE` of YAML with settings, as glovebox config tells (default $"+config.Variable(configFlag)+", else none)")
		}
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return settle(cmd) }
}

func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		eachCommand(c, do)
	}
}

// settingsOf lists the keys of a command's settings.
func settingsOf(cmd *cobra.Command) (keys []string) {
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if key, ok := config.Key(flag); ok {
			keys = append(keys, key)
		}
	})
	return keys
}

// allSettings lists the keys of all commands: one file is for all of them.
func allSettings(root *cobra.Command) (keys []string) {
	eachCommand(root, func(cmd *cobra.Command) { keys = append(keys, settingsOf(cmd)...) })
	slices.Sort(keys)
	return slices.Compact(keys)
}

// settle gives a command's settings the values that the environment and the file have for them, and tells of what is
// strange about that.
func settle(cmd *cobra.Command) error {
	if cmd.Flags().Lookup(configFlag) == nil {
		return nil
	}
	file, err := readConfig(cmd)
	if err != nil {
		return &statusError{statusUsage, err}
	}
	overrides, err := config.Apply(cmd.Flags(), os.Getenv, file)
	if err != nil {
		return &statusError{statusUsage, err}
	}
	strange := config.Strange(os.Environ(), allSettings(cmd.Root()), otherVariables)
	if cmd.Name() == "config" && len(strange) > 0 {
		return usageError("%s", strings.Join(strange, "\n"))
	}
	warn := warnerOf(cmd)
	for _, warning := range append(strange, weakened(overrides)...) {
		warn(warning)
	}
	return nil
}

// givenBy tells which settings were given, and by what; their values are glovebox config's to show.
func givenBy(cmd *cobra.Command) []string {
	given := []string{}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		key, ok := config.Key(flag)
		if source := config.SourceOf(flag); ok && source.Kind != config.Default {
			given = append(given, key+" by "+source.String())
		}
	})
	return given
}

// configFile names the file, "" where there is none. None is read unasked: a file that nobody thinks of would say how code is isolated.
func configFile(flags *pflag.FlagSet) string {
	if flags.Changed(configFlag) {
		return flags.Lookup(configFlag).Value.String()
	}
	return os.Getenv(config.Variable(configFlag))
}

func readConfig(cmd *cobra.Command) (*config.File, error) {
	name := configFile(cmd.Flags())
	if name == "" {
		return nil, nil
	}
	file, err := config.Read(name)
	return file, errors.Join(err, file.Check(allSettings(cmd.Root())))
}

// weakened warns where isolation that one place asks for is waived by another.
func weakened(overrides []config.Override) (warnings []string) {
	for _, o := range overrides {
		asked, err := strconv.ParseBool(o.OverriddenValue)
		strict := o.Key == "strict" && o.Value == "false" && err == nil && asked
		level := o.Key == "isolation" && o.OverriddenValue == string(sandbox.IsolationGVisor) && o.Value != o.OverriddenValue
		if strict || level {
			warnings = append(warnings, o.Key+" is "+o.Value+" by "+o.Source.String()+", where "+o.Overridden.String()+" asks for "+o.OverriddenValue)
		}
	}
	return warnings
}

// A settingError is for what is wrong with the values of flags, whose names it has.
type settingError struct {
	flags []string
	err   error
}

func (e *settingError) Error() string { return e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

// badSetting ends the program for what is wrong with the values of flags; where they came from is told beside.
func badSetting(err error, flags ...string) error {
	return &statusError{statusUsage, &settingError{flags, err}}
}

// origins tells where the flags that an error is about got their values, unless that was the command line.
func origins(cmd *cobra.Command, err error) string {
	var bad *settingError
	if !errors.As(err, &bad) {
		return ""
	}
	text := ""
	for _, name := range bad.flags {
		flag := cmd.Flags().Lookup(name)
		if flag == nil {
			continue
		}
		if source := config.SourceOf(flag); source.Kind == config.FromFile || source.Kind == config.FromEnvironment {
			text += " (--" + name + " is given by " + source.String() + ")"
		}
	}
	return text
}
