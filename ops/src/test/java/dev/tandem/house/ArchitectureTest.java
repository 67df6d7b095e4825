package dev.tandem.house;

import static com.tngtech.archunit.core.domain.JavaAccess.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.name;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The directions of the house: no arrow points up, no package cycles, nothing in a drawer called util. */
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .withImportOption(location -> !location.contains("-tests.jar")) // what modules' tests share
            .importPackages("dev.tandem");
    private static final int MOST_SHOWN_TYPES = 20;
    private static final String[] MODEL = {
        "dev.tandem.checkpoint..",
        "dev.tandem.text..",
        "dev.tandem.kernel..",
        "dev.tandem.kv..",
        "dev.tandem.parallel..",
        "dev.tandem.layer..",
        "dev.tandem.model..",
        "dev.tandem.quantize.."
    };

    @Test
    void shouldSeeTheClassesOfEveryModule() {
        for (String name : List.of(
                "dev.tandem.counter.Counters",
                "dev.tandem.trust.PeerTrust",
                "dev.tandem.model.Model",
                "dev.tandem.transfer.TransferEngine",
                "dev.tandem.api.server.HttpServer",
                "dev.tandem.engine.Engine",
                "dev.tandem.gateway.Gateway",
                "dev.tandem.node.Node",
                "dev.tandem.preflight.Finding",
                "dev.tandem.cli.Main")) {
            assertThat(CLASSES.contain(name)).as(name).isTrue();
        }
    }

    @Test
    void shouldDependDownwardsOnly() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("counter")
                .definedBy("dev.tandem.counter..")
                .layer("trust")
                .definedBy("dev.tandem.trust..")
                .layer("model")
                .definedBy(MODEL)
                .layer("transfer")
                .definedBy("dev.tandem.transfer..")
                .layer("api")
                .definedBy("dev.tandem.api..")
                .layer("engine")
                .definedBy("dev.tandem.engine..")
                .layer("gateway")
                .definedBy("dev.tandem.gateway..")
                .layer("node")
                .definedBy("dev.tandem.node..")
                .layer("preflight")
                .definedBy("dev.tandem.preflight..")
                .layer("ops")
                .definedBy("dev.tandem.ops..", "dev.tandem.cli..")
                .whereLayer("model")
                .mayOnlyBeAccessedByLayers("engine", "node", "preflight", "ops")
                .whereLayer("counter")
                .mayNotAccessAnyLayer()
                .whereLayer("trust")
                .mayNotAccessAnyLayer()
                .whereLayer("transfer")
                .mayOnlyBeAccessedByLayers("engine", "node", "preflight", "ops")
                .whereLayer("api")
                .mayOnlyBeAccessedByLayers("node", "gateway", "preflight", "ops")
                .whereLayer("engine")
                .mayOnlyBeAccessedByLayers("node", "preflight", "ops")
                .whereLayer("gateway")
                .mayOnlyBeAccessedByLayers("preflight", "ops")
                .whereLayer("node")
                .mayOnlyBeAccessedByLayers("preflight", "ops")
                .whereLayer("preflight")
                .mayOnlyBeAccessedByLayers("ops")
                .whereLayer("ops")
                .mayNotBeAccessedByAnyLayer()
                .check(CLASSES);
    }

    @Test
    void shouldHaveNoPackageCycles() {
        slices().matching("dev.tandem.(**)").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void shouldKeepTextFreeOfItsNeighbours() {
        noClasses()
                .that()
                .resideInAPackage("dev.tandem.text..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "dev.tandem.checkpoint..",
                        "dev.tandem.kernel..",
                        "dev.tandem.kv..",
                        "dev.tandem.parallel..",
                        "dev.tandem.layer..",
                        "dev.tandem.model..")
                .check(CLASSES);
    }

    @Test
    void shouldKnowVectorKernelsInTheirSelectionOnly() {
        classes()
                .that()
                .resideInAPackage("dev.tandem.kernel.vector..")
                .should()
                .onlyHaveDependentClassesThat()
                .resideInAnyPackage("dev.tandem.kernel.vector..", "dev.tandem.kernel.selection..")
                .check(CLASSES);
    }

    @Test
    void shouldKeepTheSchedulerBlindToExecutionAndHandoff() {
        noClasses()
                .that()
                .resideInAPackage("dev.tandem.engine.schedule..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "dev.tandem.engine.execute..", "dev.tandem.engine.handoff..", "dev.tandem.transfer..")
                .check(CLASSES);
    }

    @Test
    void shouldNameNoPackageAfterADrawer() {
        noClasses()
                .should()
                .resideInAnyPackage(
                        "..util..", "..common..", "..core..", "..base..", "..impl..", "..helper..", "..misc..")
                .check(CLASSES);
    }

    @Test
    void shouldReadTheEnvironmentInTheCommandLineOnly() {
        noClasses()
                .that()
                .resideOutsideOfPackages(
                        "dev.tandem.cli..", "dev.tandem.bench..") // bench's programs are command lines too
                .should()
                .callMethod(System.class, "getenv")
                .orShould()
                .callMethod(System.class, "getenv", String.class)
                .orShould()
                .callMethod(System.class, "getProperty", String.class)
                .orShould()
                .callMethod(System.class, "getProperty", String.class, String.class)
                .orShould()
                .callMethod(System.class, "exit", int.class)
                .check(CLASSES);
    }

    /** Nothing waits, expires or is measured by a clock that an operator, or a time server, may set. */
    @Test
    void shouldReadTheClockOfTheWallOnlyToShowIt() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.tandem.bench..")
                .and()
                .doNotHaveSimpleName("TlsMaterial") // whether a certificate has expired: a warning
                .and()
                .doNotHaveSimpleName("ServedModel") // what a chat template is told
                .and()
                .doNotHaveSimpleName("StateEndpoints") // "created" of a model
                .and()
                .doNotHaveSimpleName("Generation") // "created" of a reply
                .and()
                .doNotHaveSimpleName("LogQueue") // the time of a line
                .and()
                .doNotHaveSimpleName("ClockServer") // what `tandem check` compares
                .and()
                .doNotHaveSimpleName("Handshakes") // a field of Mooncake's that nobody reads
                .should()
                .callMethod(System.class, "currentTimeMillis")
                .orShould()
                .callMethodWhere(target(name("now")).and(target(owner(resideInAPackage("java.time..")))))
                .orShould()
                .callMethodWhere(target(owner(type(Clock.class))))
                .orShould()
                .callConstructor(Date.class)
                .orShould()
                .dependOnClassesThat(type(java.util.Timer.class))
                .check(CLASSES);
    }

    @Test
    void shouldNameEveryPackageOnThePage() throws IOException {
        String page = Files.readString(Path.of(System.getProperty("tandem.root"), "docs", "architecture.md"));
        assertThat(CLASSES.stream()
                        .map(type -> type.getPackageName().substring("dev.tandem.".length()))
                        .distinct()
                        .filter(name -> !page.contains("`" + name + "`")))
                .as("packages that docs/architecture.md does not name")
                .isEmpty();
    }

    @Test
    void shouldShowFewTypesPerPackage() {
        Map<String, List<JavaClass>> shown = shownTypes()
                .collect(Collectors.groupingBy(JavaClass::getPackageName, TreeMap::new, Collectors.toList()));

        assertThat(shown)
                .allSatisfy((name, types) -> assertThat(types).as(name).hasSizeLessThanOrEqualTo(MOST_SHOWN_TYPES));
    }

    @Test
    void shouldGiveEachShownNameToOneType() {
        Map<String, List<JavaClass>> byName = shownTypes()
                .collect(Collectors.groupingBy(JavaClass::getSimpleName, TreeMap::new, Collectors.toList()));

        assertThat(byName).allSatisfy((name, types) -> assertThat(types).hasSize(1));
    }

    /** Nested types too: one package is what a reader holds open. */
    @Test
    void shouldGiveEachPublicNameOfAPackageToOneType() {
        Map<String, List<JavaClass>> byName = CLASSES.stream()
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC) && !type.isAnonymousClass())
                .collect(Collectors.groupingBy(
                        type -> type.getPackageName() + "." + type.getSimpleName(), TreeMap::new, Collectors.toList()));
        byName.values().removeIf(types -> types.size() == 1);

        assertThat(byName).isEmpty();
    }

    private static Stream<JavaClass> shownTypes() {
        return CLASSES.stream()
                .filter(type -> type.isTopLevelClass() && type.getModifiers().contains(JavaModifier.PUBLIC));
    }
}
